//go:build !race && !arm64

package kernel

const numCuts, numTeams = 6, 4
