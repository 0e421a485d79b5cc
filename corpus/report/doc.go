// Package report writes what a bug tracker needs of one failing case: a folder
// with a page, the case, a Go test where one can show the fault, and a picture.
package report
