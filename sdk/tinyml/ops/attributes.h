/* How functions are marked, for clang and gcc. */
#ifndef TM_ATTRIBUTES_H
#define TM_ATTRIBUTES_H

/* No loads and stores inside IT blocks: emulators that watch memory lose track of the block, and skip what follows. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__arm__)
#pragma GCC optimize("no-if-conversion", "no-if-conversion2")
#endif

/* No calls of memset and memcpy in place of loops: nothing but the model's own files has to be linked. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

/* A function that keeps its own name and body in the image, so that a profiler can attribute cycles to it. */
#if defined(__clang__)
#define TM_SEPARATE __attribute__((noinline))
#else
#define TM_SEPARATE __attribute__((noinline, noclone))
#endif

/* A function that runs so briefly that its size matters more than its speed. */
#if defined(__clang__)
#define TM_SMALL __attribute__((minsize))
#else
#define TM_SMALL __attribute__((optimize("Os")))
#endif

/* A kernel that is specialised by the constants it is called with. */
#define TM_INLINE static inline __attribute__((always_inline))

/* A function whose whole body is assembly. It saves r4 .. r11 itself; what else it changes must be named as clobbered,
 * since compilers look into functions that they can see. */
#define TM_NAKED __attribute__((naked, noinline, unused))

#define TM_UNUSED __attribute__((unused))

#endif
