// Package keep is a folder of cases that hunts go on from: what earlier ones found and
// what agreed and was worth keeping, a file a case, in a folder for each target.
//
// Every file is written whole to a hidden name and renamed, so that the folder reads at
// any moment, whoever is killed; and it is named by what it holds, so that several hunts
// may share the folder. A file that failed is failure-FAILURE-CASE.txt and is only ever
// dropped for others of the same failure; one that agreed is case-CASE.txt.
//
// A target keeps at most evolve.AtMost cases that agreed, 256, and while a hunt goes on
// twice as many for each hunt: those that show something which no other does, the rarest
// first. Of each failure it keeps the best case, one that fails each time, else the one that
// fails most often, of those the smallest, and the one that was found last: of each kind that a
// hunt has as a finding of its own, in the programs of a worker by what they do, but of no
// more than the 32 best kinds beside those that the hunt found itself. They stay when
// the failure is mended, as tests that the next hunt runs first; whoever no longer wants
// them removes the files.
//
// A file that cannot be read, or whose case is of another target than its folder, is left
// out, and said.
//
// All files are cases with their outcome, so corpus check and replay read them. A hunt
// reads the folder when it begins in a target, and not again: what another hunt finds
// meanwhile is for the next one. Nothing is synced to the disk: what is killed loses no
// finding, a machine that loses power may.
package keep
