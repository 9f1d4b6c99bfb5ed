/* Sections that the linker script puts into the memories named by the board's regions. */
#ifndef PLACE_H
#define PLACE_H

#define PLACE_ARENA __attribute__((section(".arena")))
#define PLACE_DMA __attribute__((section(".dma")))

#endif
