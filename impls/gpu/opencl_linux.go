//go:build amd64 || arm64

package gpu

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// opencl is a device of an OpenCL platform.
type opencl struct {
	name                    string
	context, queue, program uintptr
	kernels                 map[string]uintptr
}

// The constants of cl.h that are used here.
const (
	clSuccess          = 0
	clPlatformName     = 0x0902
	clDeviceTypeGPU    = 1 << 2
	clDeviceTypeAll    = 0xFFFFFFFF
	clDeviceName       = 0x102B
	clDriverVersion    = 0x102D
	clDeviceVersion    = 0x102F
	clMemReadWrite     = 1 << 0
	clProgramBuildLog  = 0x1183
	clPlatformNotFound = -1001 // of the loader: no driver is installed
	clBlocking         = 1
)

var cl struct {
	GetPlatformIDs          func(n uint32, ids *uintptr, count *uint32) int32
	GetPlatformInfo         func(id uintptr, what uint32, size uintptr, value *byte, got *uintptr) int32
	GetDeviceIDs            func(platform uintptr, kind uint64, n uint32, ids *uintptr, count *uint32) int32
	GetDeviceInfo           func(id uintptr, what uint32, size uintptr, value *byte, got *uintptr) int32
	CreateContext           func(properties uintptr, n uint32, devices *uintptr, notify, user uintptr, code *int32) uintptr
	CreateCommandQueue      func(context, device uintptr, properties uint64, code *int32) uintptr
	CreateProgramWithSource func(context uintptr, n uint32, texts **byte, lengths *uintptr, code *int32) uintptr
	BuildProgram            func(program uintptr, n uint32, devices *uintptr, options *byte, notify, user uintptr) int32
	GetProgramBuildInfo     func(program, device uintptr, what uint32, size uintptr, value *byte, got *uintptr) int32
	CreateKernel            func(program uintptr, name *byte, code *int32) uintptr
	SetKernelArg            func(kernel uintptr, i uint32, size uintptr, value unsafe.Pointer) int32
	EnqueueNDRangeKernel    func(queue, kernel uintptr, dims uint32, offset, global, local *uintptr, waits uint32, list, event uintptr) int32
	CreateBuffer            func(context uintptr, flags uint64, size uintptr, host uintptr, code *int32) uintptr
	ReleaseMemObject        func(b uintptr) int32
	EnqueueWriteBuffer      func(queue, b uintptr, blocking uint32, at, size uintptr, data *byte, waits uint32, list, event uintptr) int32
	EnqueueReadBuffer       func(queue, b uintptr, blocking uint32, at, size uintptr, data *byte, waits uint32, list, event uintptr) int32
	EnqueueFillBuffer       func(queue, b uintptr, pattern *byte, patternSize, at, size uintptr, waits uint32, list, event uintptr) int32
	Finish                  func(queue uintptr) int32
}

// openclLibraries are tried in turn: the loader, then a driver by itself.
var openclLibraries = []string{"libOpenCL.so.1", "libOpenCL.so", "libnvidia-opencl.so.1"}

const openclInstall = "on Debian: apt-get install ocl-icd-libopencl1 pocl-opencl-icd"

// openOpenCL opens the first GPU of any platform, else the first device.
// SLIDEFUZZ_OPENCL chooses the platform by a part of its name,
// SLIDEFUZZ_OPENCL_LIB the library.
func openOpenCL() (driver, error) {
	libraries := openclLibraries
	if lib := os.Getenv("SLIDEFUZZ_OPENCL_LIB"); lib != "" {
		libraries = []string{lib}
	}
	return openLibrary(libraries, openclInstall)
}

// openOclgrind opens Oclgrind's own library, which is no part of the loader's
// platforms.
func openOclgrind() (driver, error) {
	return openLibrary([]string{"liboclgrind-rt.so", "/usr/lib/oclgrind/liboclgrind-rt.so"}, "on Debian: apt-get install oclgrind")
}

func openLibrary(libraries []string, install string) (driver, error) {
	lib, err := dlopen(libraries)
	if err != nil {
		return nil, &MissingError{"opencl", fmt.Sprintf("%v; %s", err, install)}
	}
	if err := register(lib, map[string]any{
		"clGetPlatformIDs": &cl.GetPlatformIDs, "clGetPlatformInfo": &cl.GetPlatformInfo, "clGetDeviceIDs": &cl.GetDeviceIDs,
		"clGetDeviceInfo": &cl.GetDeviceInfo, "clCreateContext": &cl.CreateContext, "clCreateCommandQueue": &cl.CreateCommandQueue,
		"clCreateProgramWithSource": &cl.CreateProgramWithSource, "clBuildProgram": &cl.BuildProgram,
		"clGetProgramBuildInfo": &cl.GetProgramBuildInfo, "clCreateKernel": &cl.CreateKernel, "clSetKernelArg": &cl.SetKernelArg,
		"clEnqueueNDRangeKernel": &cl.EnqueueNDRangeKernel, "clCreateBuffer": &cl.CreateBuffer, "clReleaseMemObject": &cl.ReleaseMemObject,
		"clEnqueueWriteBuffer": &cl.EnqueueWriteBuffer, "clEnqueueReadBuffer": &cl.EnqueueReadBuffer,
		"clEnqueueFillBuffer": &cl.EnqueueFillBuffer, "clFinish": &cl.Finish,
	}); err != nil {
		return nil, &MissingError{"opencl", err.Error()}
	}
	device, platform, err := pickDevice(os.Getenv("SLIDEFUZZ_OPENCL"))
	if err != nil {
		return nil, err
	}
	d := &opencl{name: fmt.Sprintf("%s; %s; %s, driver %s", info(cl.GetDeviceInfo, device, clDeviceName), platform,
		info(cl.GetDeviceInfo, device, clDeviceVersion), info(cl.GetDeviceInfo, device, clDriverVersion))}
	var code int32
	d.context = cl.CreateContext(0, 1, &device, 0, 0, &code)
	if code == clSuccess {
		d.queue = cl.CreateCommandQueue(d.context, device, 0, &code)
	}
	if code == clSuccess {
		err = d.build(device)
	} else {
		err = clError("creating a context and queue", code)
	}
	return d, err
}

func info(get func(uintptr, uint32, uintptr, *byte, *uintptr) int32, id uintptr, what uint32) string {
	var text [512]byte
	var n uintptr
	if get(id, what, uintptr(len(text)), &text[0], &n) != clSuccess || n == 0 {
		return "unknown"
	}
	return strings.TrimSpace(strings.TrimRight(string(text[:n]), "\x00"))
}

func pickDevice(wanted string) (device uintptr, platform string, err error) {
	var ids [16]uintptr
	var n uint32
	code := cl.GetPlatformIDs(uint32(len(ids)), &ids[0], &n)
	if code == clPlatformNotFound || code == clSuccess && n == 0 {
		return 0, "", &MissingError{"opencl", "the OpenCL loader finds no platform; " + openclInstall}
	}
	if code != clSuccess {
		return 0, "", clError("clGetPlatformIDs", code)
	}
	var names []string
	for _, kind := range []uint64{clDeviceTypeGPU, clDeviceTypeAll} {
		for _, id := range ids[:min(int(n), len(ids))] {
			name := info(cl.GetPlatformInfo, id, clPlatformName)
			names = append(names, name)
			if !strings.Contains(name, wanted) {
				continue
			}
			var found uintptr
			var count uint32
			if cl.GetDeviceIDs(id, kind, 1, &found, &count) == clSuccess && count > 0 {
				return found, name, nil
			}
		}
	}
	return 0, "", &MissingError{"opencl", fmt.Sprintf("no device on the platforms %s (SLIDEFUZZ_OPENCL=%q); %s",
		strings.Join(names[:len(names)/2], ", "), wanted, openclInstall)}
}

func (d *opencl) build(device uintptr) error {
	source := append([]byte(openclPrelude+kernelSource), 0)
	text, length := &source[0], uintptr(len(source)-1)
	var code int32
	log := ""
	// With OpenCL C 3.0 the fences have a scope; not every driver has it.
	for _, options := range []string{"-cl-std=CL3.0", ""} {
		d.program = cl.CreateProgramWithSource(d.context, 1, &text, &length, &code)
		if code != clSuccess {
			return clError("clCreateProgramWithSource", code)
		}
		zero := append([]byte(options), 0)
		if code = cl.BuildProgram(d.program, 1, &device, &zero[0], 0, 0); code == clSuccess {
			break
		}
		buf := make([]byte, 16<<10)
		var n uintptr
		cl.GetProgramBuildInfo(d.program, device, clProgramBuildLog, uintptr(len(buf)), &buf[0], &n)
		log = strings.TrimRight(string(buf[:min(int(n), len(buf))]), "\x00\n ")
	}
	if code != clSuccess {
		return fmt.Errorf("%w\n%s", clError("clBuildProgram", code), log)
	}
	d.kernels = map[string]uintptr{}
	for _, name := range kernels {
		zero := append([]byte(name), 0)
		if d.kernels[name] = cl.CreateKernel(d.program, &zero[0], &code); code != clSuccess {
			return clError("clCreateKernel "+name, code)
		}
	}
	runtime.KeepAlive(source)
	return nil
}

func clError(what string, code int32) error {
	if code == clSuccess {
		return nil
	}
	return fmt.Errorf("%s failed with code %d", what, code)
}

func (d *opencl) about() string { return d.name }

func (d *opencl) alloc(bytes int64) (buffer, error) {
	var code int32
	b := cl.CreateBuffer(d.context, clMemReadWrite, uintptr(bytes), 0, &code)
	return buffer(b), clError(fmt.Sprintf("clCreateBuffer of %d bytes", bytes), code)
}

func (d *opencl) free(b buffer) error {
	return clError("clReleaseMemObject", cl.ReleaseMemObject(uintptr(b)))
}

func (d *opencl) write(b buffer, at int64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	return clError("clEnqueueWriteBuffer", cl.EnqueueWriteBuffer(d.queue, uintptr(b), clBlocking, uintptr(at), uintptr(len(data)), &data[0], 0, 0, 0))
}

func (d *opencl) read(b buffer, at int64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	return clError("clEnqueueReadBuffer", cl.EnqueueReadBuffer(d.queue, uintptr(b), clBlocking, uintptr(at), uintptr(len(data)), &data[0], 0, 0, 0))
}

func (d *opencl) zero(b buffer, bytes int64) error {
	var pattern [16]byte
	return clError("clEnqueueFillBuffer", cl.EnqueueFillBuffer(d.queue, uintptr(b), &pattern[0], uintptr(len(pattern)), 0, uintptr(bytes), 0, 0, 0))
}

func (d *opencl) launch(kernel string, groups, local int, args ...any) error {
	k := d.kernels[kernel]
	for i, a := range args {
		size, p, held := argument(a)
		if code := cl.SetKernelArg(k, uint32(i), size, p); code != clSuccess {
			return clError(fmt.Sprintf("clSetKernelArg %d of %s", i, kernel), code)
		}
		runtime.KeepAlive(held)
	}
	global, group := uintptr(groups)*uintptr(local), uintptr(local)
	return clError("clEnqueueNDRangeKernel "+kernel, cl.EnqueueNDRangeKernel(d.queue, k, 1, nil, &global, &group, 0, 0, 0))
}

func (d *opencl) sync() error { return clError("clFinish", cl.Finish(d.queue)) }

func (d *opencl) capture(func() error) (graph, error) {
	return 0, fmt.Errorf("OpenCL has no graphs")
}
func (d *opencl) replay(graph) error  { return fmt.Errorf("OpenCL has no graphs") }
func (d *opencl) release(graph) error { return nil }
func (d *opencl) freeMemory() int64   { return 0 }

// argument is where an argument lies, and what keeps it there.
func argument(a any) (size uintptr, at unsafe.Pointer, held any) {
	switch a := a.(type) {
	case uint32:
		return 4, unsafe.Pointer(&a), &a
	case buffer:
		return unsafe.Sizeof(a), unsafe.Pointer(&a), &a
	case uint64:
		return 8, unsafe.Pointer(&a), &a
	}
	panic(fmt.Sprintf("gpu: argument of type %T", a))
}

// dlopen opens the first library that is there.
func dlopen(names []string) (uintptr, error) {
	var first error
	for _, name := range names {
		lib, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err == nil {
			return lib, nil
		}
		if first == nil {
			first = err
		}
	}
	return 0, first
}

// register binds functions; all must be there.
func register(lib uintptr, functions map[string]any) error {
	for name, fn := range functions {
		if _, err := purego.Dlsym(lib, name); err != nil {
			return fmt.Errorf("the library has no %s: it is too old", name)
		}
		purego.RegisterLibFunc(fn, lib, name)
	}
	return nil
}
