//go:build race

package tests

// race is set where the race detector slows everything down: the heaviest cases are left out.
const race = true
