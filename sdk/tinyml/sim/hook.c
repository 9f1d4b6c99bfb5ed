/* Runs before every translated block of the emulated core: counts cycles, stops at deadlines, checks operands.
 *
 * Attached to the Unicorn engine as a native hook; hook.py mirrors the structures. The engine's functions come in as
 * pointers, so that this file needs none of its headers. A block that is stopped has not run and is not counted.
 */
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { ALWAYS_TAKEN = 1, MAYBE_TAKEN = 2, SPINS = 4, CHECKED = 8, SEND_EVENT = 16, LAYER = 32, COUNTED = 64 };
enum { ALIGNMENT = 0, STACK = 1 };
enum { RUNNING = 0, DEADLINE = 1, UNMASKED = 2, TRANSLATE = 3, MISALIGNED = 4, STACK_OVERRUN = 5, SPINNING = 6, FULL = 7, INERT = 8, NO_FPU = 9 };

#define ON_PROCESS_STACK 2u /* CONTROL.SPSEL */

typedef struct {
    uint64_t runs, taken;
    uint32_t address, size, cycles, instructions, flags, first_check, check_count, layer;
} tm_block;

/* offset + scale[i] * register[i] is the lowest address of an access, or the stack pointer after it. */
typedef struct {
    uint32_t kind, address, offset, terms;
    uint32_t reg[2], scale[2];
} tm_check;

typedef struct {
    uint64_t cycles, deadline, instructions, layer_begin, layer_excluded;
    void *engine;
    int (*stop)(void *engine);
    int (*reg_read)(void *engine, int id, void *value);
    int (*describe)(tm_block *block); /* fills a new block: 1 run it, 0 translate it anew, -1 refuse it */
    tm_block *blocks;
    tm_check *checks, *failed;
    uint64_t *layer_cycles, *layer_calls;
    tm_block *previous, *before; /* the block that ran last, and the one before it */
    uint32_t capacity, used, refill_cycles, reason, watch_mask, primask, basepri, layer, layer_return, event;
    uint32_t stack_limit, stack_top, counted;
    int32_t register_id[16], primask_id, basepri_id, faultmask_id, control_id;
} tm_state;

static uint32_t read_register(const tm_state *s, int32_t id) {
    uint32_t value = 0;
    s->reg_read(s->engine, id, &value);
    return value;
}

static void stop(tm_state *s, uint32_t reason) {
    s->reason = reason;
    s->stop(s->engine);
}

static tm_block *find(const tm_state *s, uint32_t address, uint32_t size) {
    uint32_t mask = s->capacity - 1u, i = (address >> 1) & mask;
    while (s->blocks[i].size != 0u && (s->blocks[i].address != address || s->blocks[i].size != size)) {
        i = (i + 1u) & mask;
    }
    return &s->blocks[i];
}

static uint32_t evaluate(const tm_state *s, const tm_check *check) {
    uint32_t value = check->offset;
    for (uint32_t i = 0; i < check->terms; i++) {
        value += check->scale[i] * read_register(s, s->register_id[check->reg[i]]);
    }
    return value;
}

/* Whether an operand of this access breaks a rule that the emulator itself does not enforce. */
static uint32_t violates(const tm_state *s, const tm_check *check) {
    uint32_t value = evaluate(s, check);
    if (check->kind == ALIGNMENT) {
        return (value & 3u) != 0u ? MISALIGNED : RUNNING;
    }
    uint32_t before = read_register(s, s->register_id[13]);
    if (before > s->stack_top || before < s->stack_limit) {
        return RUNNING; /* another stack */
    }
    if (value >= s->stack_limit || (read_register(s, s->control_id) & ON_PROCESS_STACK) != 0u) {
        return RUNNING;
    }
    return STACK_OVERRUN;
}

static uint32_t check_block(tm_state *s, const tm_block *block) {
    for (uint32_t i = 0; i < block->check_count; i++) {
        tm_check *check = &s->checks[block->first_check + i];
        uint32_t reason = violates(s, check);
        if (reason != RUNNING) {
            s->failed = check;
            return reason;
        }
    }
    return RUNNING;
}

static void enter_layer(tm_state *s, uint32_t layer) {
    s->layer = layer;
    s->layer_begin = s->cycles;
    s->layer_excluded = 0;
    s->layer_return = read_register(s, s->register_id[14]) & ~1u;
    s->layer_calls[layer]++;
}

static void leave_layer(tm_state *s) {
    s->layer_cycles[s->layer] += s->cycles - s->layer_begin - s->layer_excluded;
    s->layer = 0;
    s->layer_return = 1; /* no block has an odd address */
}

static uint32_t masks_changed(const tm_state *s) {
    return read_register(s, s->primask_id) != s->primask || read_register(s, s->basepri_id) != s->basepri ||
           read_register(s, s->faultmask_id) != 0u;
}

/* Before an instruction whose operand is known only there: `user` is its check. */
typedef struct {
    tm_state *state;
    tm_check check;
} tm_watch;

EXPORT void tm_on_instruction(void *engine, uint64_t address, uint32_t size, void *user) {
    tm_watch *watch = user;
    (void)engine, (void)address, (void)size;
    if (watch->state->reason == RUNNING && violates(watch->state, &watch->check) != RUNNING) {
        watch->state->failed = &watch->check;
        stop(watch->state, MISALIGNED);
    }
}

/* Which layer touches what: a row of `size` bytes for each layer, bit 0 for reads, bit 1 for writes. Memory before
 * `stack` that lies outside is nobody's; `stray_*` is the first such access by a layer. */
typedef struct {
    const tm_state *state;
    uint8_t *touched;
    uint32_t begin, size, stack, strays, stray_layer, stray_address;
} tm_region;

enum { UNICORN_MEM_WRITE = 17 };

EXPORT void tm_on_access(void *engine, int kind, uint64_t address64, int size, int64_t value, void *user) {
    tm_region *region = user;
    uint32_t layer = region->state->layer;
    uint8_t *row = region->touched + (size_t)layer * region->size;
    (void)engine, (void)value;
    for (uint32_t address = (uint32_t)address64; address < (uint32_t)address64 + (uint32_t)size; address++) {
        if (address - region->begin < region->size) {
            row[address - region->begin] |= kind == UNICORN_MEM_WRITE ? 2 : 1;
        } else if (layer != 0u && address < region->stack && region->strays++ == 0u) {
            region->stray_layer = layer;
            region->stray_address = address;
        }
    }
}

EXPORT void tm_on_block(void *engine, uint64_t address64, uint32_t size, void *user) {
    tm_state *s = user;
    uint32_t address = (uint32_t)address64;
    tm_block *last = s->previous;
    (void)engine;
    if (s->reason != RUNNING) {
        if (s->reason != INERT) {
            s->stop(s->engine); /* a stop inside an IT block takes effect here */
        }
        return;
    }
    if (last != NULL) {
        s->previous = NULL;
        if ((last->flags & ALWAYS_TAKEN) != 0u || ((last->flags & MAYBE_TAKEN) != 0u && address != last->address + last->size)) {
            last->taken++;
            s->cycles += s->refill_cycles;
        }
        if ((last->flags & SPINS) != 0u && address == last->address) {
            stop(s, SPINNING);
            return;
        }
    }
    if (address == s->layer_return) {
        leave_layer(s);
    }
    if (s->cycles >= s->deadline) {
        stop(s, DEADLINE);
        return;
    }
    if (s->watch_mask != 0u && masks_changed(s) != 0u) {
        stop(s, UNMASKED);
        return;
    }
    tm_block *block = find(s, address, size);
    if (block->size == 0u) {
        if (2u * s->used >= s->capacity) {
            stop(s, FULL);
            return;
        }
        block->address = address;
        block->size = size;
        s->used++;
        int answer = s->describe(block);
        if (answer < 0) {
            block->size = 0; /* not counted: it is asked for again when it may run */
            s->used--;
            stop(s, NO_FPU);
            return;
        }
        if (answer == 0) {
            stop(s, TRANSLATE);
            return;
        }
    }
    if ((block->flags & (CHECKED | SEND_EVENT | LAYER | COUNTED)) != 0u) {
        uint32_t reason = (block->flags & CHECKED) != 0u ? check_block(s, block) : RUNNING;
        if (reason != RUNNING) {
            stop(s, reason);
            return;
        }
        s->event |= block->flags & SEND_EVENT;
        s->counted += (block->flags & COUNTED) != 0u;
        if ((block->flags & LAYER) != 0u && s->layer == 0u) {
            enter_layer(s, block->layer);
        }
    }
    block->runs++;
    s->cycles += block->cycles;
    s->instructions += block->instructions;
    s->previous = block;
    s->before = last;
}
