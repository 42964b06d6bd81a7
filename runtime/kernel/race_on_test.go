//go:build race

package kernel

const numCuts, numTeams = 2, 1
