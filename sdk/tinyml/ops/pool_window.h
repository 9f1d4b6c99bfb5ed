/* The part of a pooling window that lies inside the input. */
#ifndef TM_POOL_WINDOW_H
#define TM_POOL_WINDOW_H

#include "window.h"

/* Half-open interval of cells along one axis. */
typedef struct {
    int32_t start, stop;
} tm_cells;

static inline tm_cells tm_inside(int32_t first, int32_t kernel, int32_t size)
{
    const tm_cells cells = {first < 0 ? 0 : first, first + kernel > size ? size : first + kernel};
    return cells;
}

#endif
