//go:build race || arm64

package kernel

const numCuts, numTeams = 2, 1
