// Package keep is a folder of cases that hunts go on from: what earlier ones found and
// what agreed and was worth keeping, a file a case, in a folder for each target.
//
// Every file is written whole to a hidden name and renamed, so that the folder reads at
// any moment, whoever is killed; and it is named by what it holds, so that several hunts
// may share the folder. A file that failed is failure-FAILURE-CASE.txt and is only ever
// dropped for another of the same failure; one that agreed is case-CASE.txt.
package keep
