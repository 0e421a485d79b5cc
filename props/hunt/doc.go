// Package hunt looks for failures: it draws cases, runs them on whatever backend
// runs their target, shrinks what diverges, and says whether a case does what it
// expects. It knows no backend by name.
package hunt
