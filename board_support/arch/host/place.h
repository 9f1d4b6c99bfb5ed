/* A native program has one kind of memory. */
#ifndef PLACE_H
#define PLACE_H

#define PLACE_ARENA
#define PLACE_DMA

#endif
