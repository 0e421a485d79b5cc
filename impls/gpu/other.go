//go:build !linux || !(amd64 || arm64)

package gpu

import "runtime"

func openOpenCL() (driver, error)   { return nil, noDriver("opencl") }
func openOclgrind() (driver, error) { return nil, noDriver("oclgrind") }
func openCUDA() (driver, error)     { return nil, noDriver("cuda") }

func noDriver(name string) error {
	return &MissingError{name, "slidefuzz opens it on linux/amd64 and linux/arm64 only, not on " + runtime.GOOS + "/" + runtime.GOARCH}
}
