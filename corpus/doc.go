// Package corpus is cases: everything that one test needs, as one text file.
//
// [Parse] and [Case.Text] read and write them; [Decode] and [DecodeProgram]
// make one of any bytes, for `go test -fuzz`; package fuzzfile reads what it left;
// [FeaturesOf] says what kinds of chunk and operation a case has. Package
// shrink makes a failing case small, in the order of [Compare]; package report
// writes the folder that a bug tracker needs. The package knows no oracle: who
// runs cases is package props/run.
package corpus
