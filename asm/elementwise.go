package asm

// Elementwise kernels: one loop over groups of sixteen, the rest under masks. A scalar argument
// fills a register before the loop. Bytes an element: 12 for mul and merge, 8 for scale
// and div.

// mul is dst[i] = a[i] * b[i].
func mul(e *emitter) {
	dst, a, b, n := e.ptr("dst"), e.ptr("a"), e.ptr("b"), e.length("dst")
	e.each(n, func(s slot) {
		x := e.load(a, s)
		e.VMULPS(e.load(b, s), x, x)
		e.store(x, dst, s)
	})
}

// swiGLU is dst[i] = silu(g[i]) * x[i].
func swiGLU(e *emitter) {
	dst, g, x, n := e.ptr("dst"), e.ptr("g"), e.ptr("x"), e.length("dst")
	c := e.siluConstants()
	e.each(n, func(s slot) {
		y := e.silu(e.load(g, s), c)
		e.VMULPS(e.load(x, s), y, y)
		e.store(y, dst, s)
	})
}

// scale is dst[i] = x[i] * s.
func scale(e *emitter) {
	dst, x, n := e.ptr("dst"), e.ptr("x"), e.length("dst")
	factor := e.splat("s")
	e.each(n, func(s slot) {
		v := e.load(x, s)
		e.VMULPS(factor, v, v)
		e.store(v, dst, s)
	})
}

// merge is dst[i] = fma(x[i], b, dst[i]*a).
func merge(e *emitter) {
	dst, x, n := e.ptr("dst"), e.ptr("x"), e.length("dst")
	a, b := e.splat("a"), e.splat("b")
	e.each(n, func(s slot) {
		v := e.load(dst, s)
		e.VMULPS(a, v, v)
		e.VFMADD231PS(e.load(x, s), b, v)
		e.store(v, dst, s)
	})
}

// div is dst[i] = x[i]/s + 0.
func div(e *emitter) {
	dst, x, n := e.ptr("dst"), e.ptr("x"), e.length("dst")
	divisor, zero := e.splat("s"), e.vec()
	e.zero(zero)
	e.each(n, func(s slot) {
		v := e.load(x, s)
		e.VDIVPS(divisor, v, v)
		e.VADDPS(zero, v, v)
		e.store(v, dst, s)
	})
}
