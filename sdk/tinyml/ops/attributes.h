/* How functions are marked, for clang and gcc. */
#ifndef TM_ATTRIBUTES_H
#define TM_ATTRIBUTES_H

/* A function that keeps its own name and body in the image, so that a profiler can attribute cycles to it. */
#if defined(__clang__)
#define TM_SEPARATE __attribute__((noinline))
#else
#define TM_SEPARATE __attribute__((noinline, noclone))
#endif

/* A kernel that is specialised by the constants it is called with. */
#define TM_INLINE static inline __attribute__((always_inline))

/* A function whose whole body is assembly: it saves what it uses. */
#define TM_NAKED __attribute__((naked, noinline, unused))

#define TM_UNUSED __attribute__((unused))

#endif
