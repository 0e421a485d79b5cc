//go:build amd64 || arm64

package gpu

import (
	"bytes"
	"fmt"
	"runtime"
	"unsafe"
)

// cuda is the first CUDA device.
type cuda struct {
	name    string
	stream  uintptr
	kernels map[string]uintptr
}

var cu struct {
	Init                      func(flags uint32) int32
	DriverGetVersion          func(v *int32) int32
	DeviceGet                 func(d *int32, i int32) int32
	DeviceGetName             func(name *byte, n, d int32) int32
	DeviceGetAttribute        func(v *int32, what, d int32) int32
	DevicePrimaryCtxRetain    func(ctx *uintptr, d int32) int32
	CtxSetCurrent             func(ctx uintptr) int32
	GetErrorName              func(code int32, text **byte) int32
	MemAlloc                  func(p *uintptr, n uintptr) int32
	MemFree                   func(p uintptr) int32
	MemGetInfo                func(free, total *uintptr) int32
	MemcpyHtoDAsync           func(to uintptr, from *byte, n, stream uintptr) int32
	MemcpyDtoHAsync           func(to *byte, from, n, stream uintptr) int32
	MemsetD32Async            func(p uintptr, v uint32, n, stream uintptr) int32
	ModuleLoadData            func(m *uintptr, image *byte) int32
	ModuleGetFunction         func(f *uintptr, m uintptr, name *byte) int32
	LaunchKernel              func(f uintptr, gx, gy, gz, bx, by, bz, shared uint32, stream uintptr, args *unsafe.Pointer, extra uintptr) int32
	StreamCreate              func(s *uintptr, flags uint32) int32
	StreamSynchronize         func(s uintptr) int32
	StreamBeginCapture        func(s uintptr, mode int32) int32
	StreamEndCapture          func(s uintptr, g *uintptr) int32
	GraphInstantiateWithFlags func(exec *uintptr, g uintptr, flags uint64) int32
	GraphLaunch               func(exec, s uintptr) int32
	GraphExecDestroy          func(exec uintptr) int32
	GraphDestroy              func(g uintptr) int32
}

var nvrtc struct {
	Version           func(major, minor *int32) int32
	CreateProgram     func(p *uintptr, text, name *byte, n int32, headers, names uintptr) int32
	CompileProgram    func(p uintptr, n int32, options **byte) int32
	GetProgramLogSize func(p uintptr, n *uintptr) int32
	GetProgramLog     func(p uintptr, text *byte) int32
	GetPTXSize        func(p uintptr, n *uintptr) int32
	GetPTX            func(p uintptr, text *byte) int32
	DestroyProgram    func(p *uintptr) int32
}

// The constants of cuda.h that are used here.
const (
	cuComputeMajor      = 75
	cuComputeMinor      = 76
	cuStreamNonBlocking = 1
	cuCaptureRelaxed    = 2
)

// nvrtcLibraries are tried in turn, the newest first.
var nvrtcLibraries = []string{"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"}

func openCUDA() (driver, error) {
	missing := func(format string, args ...any) error {
		return &MissingError{"cuda", fmt.Sprintf(format, args...)}
	}
	lib, err := dlopen([]string{"libcuda.so.1"})
	if err != nil {
		return nil, missing("%v; install NVIDIA's driver", err)
	}
	if err := register(lib, map[string]any{
		"cuInit": &cu.Init, "cuDriverGetVersion": &cu.DriverGetVersion, "cuDeviceGet": &cu.DeviceGet, "cuDeviceGetName": &cu.DeviceGetName,
		"cuDeviceGetAttribute": &cu.DeviceGetAttribute, "cuDevicePrimaryCtxRetain": &cu.DevicePrimaryCtxRetain, "cuCtxSetCurrent": &cu.CtxSetCurrent,
		"cuGetErrorName": &cu.GetErrorName, "cuMemAlloc_v2": &cu.MemAlloc, "cuMemFree_v2": &cu.MemFree, "cuMemGetInfo_v2": &cu.MemGetInfo,
		"cuMemcpyHtoDAsync_v2": &cu.MemcpyHtoDAsync, "cuMemcpyDtoHAsync_v2": &cu.MemcpyDtoHAsync, "cuMemsetD32Async": &cu.MemsetD32Async,
		"cuModuleLoadData": &cu.ModuleLoadData, "cuModuleGetFunction": &cu.ModuleGetFunction, "cuLaunchKernel": &cu.LaunchKernel,
		"cuStreamCreate": &cu.StreamCreate, "cuStreamSynchronize": &cu.StreamSynchronize, "cuStreamBeginCapture_v2": &cu.StreamBeginCapture,
		"cuStreamEndCapture": &cu.StreamEndCapture, "cuGraphInstantiateWithFlags": &cu.GraphInstantiateWithFlags, "cuGraphLaunch": &cu.GraphLaunch,
		"cuGraphExecDestroy": &cu.GraphExecDestroy, "cuGraphDestroy": &cu.GraphDestroy,
	}); err != nil {
		return nil, missing("%v; install a driver for CUDA 12 or newer", err)
	}
	if code := cu.Init(0); code != 0 {
		return nil, missing("cuInit: %v; is there a GPU, and does its kernel driver run?", cuError("cuInit", code))
	}
	compiler, err := dlopen(nvrtcLibraries)
	if err != nil {
		return nil, missing("%v; install NVRTC of the CUDA toolkit, or pip install nvidia-cuda-nvrtc and set LD_LIBRARY_PATH", err)
	}
	if err := register(compiler, map[string]any{
		"nvrtcVersion": &nvrtc.Version, "nvrtcCreateProgram": &nvrtc.CreateProgram, "nvrtcCompileProgram": &nvrtc.CompileProgram,
		"nvrtcGetProgramLogSize": &nvrtc.GetProgramLogSize, "nvrtcGetProgramLog": &nvrtc.GetProgramLog,
		"nvrtcGetPTXSize": &nvrtc.GetPTXSize, "nvrtcGetPTX": &nvrtc.GetPTX, "nvrtcDestroyProgram": &nvrtc.DestroyProgram,
	}); err != nil {
		return nil, missing("%v", err)
	}
	d := &cuda{kernels: map[string]uintptr{}}
	var device, version, major, minor, rtMajor, rtMinor int32
	var ctx uintptr
	if code := cu.DeviceGet(&device, 0); code != 0 {
		return nil, missing("%v; no device is visible", cuError("cuDeviceGet", code))
	}
	var name [256]byte
	for _, call := range []struct {
		what string
		code int32
	}{
		{"cuDeviceGetName", cu.DeviceGetName(&name[0], int32(len(name)), device)},
		{"cuDriverGetVersion", cu.DriverGetVersion(&version)},
		{"cuDeviceGetAttribute", cu.DeviceGetAttribute(&major, cuComputeMajor, device)},
		{"cuDeviceGetAttribute", cu.DeviceGetAttribute(&minor, cuComputeMinor, device)},
		{"nvrtcVersion", nvrtc.Version(&rtMajor, &rtMinor)},
		{"cuDevicePrimaryCtxRetain", cu.DevicePrimaryCtxRetain(&ctx, device)},
		{"cuCtxSetCurrent", cu.CtxSetCurrent(ctx)},
		{"cuStreamCreate", cu.StreamCreate(&d.stream, cuStreamNonBlocking)},
	} {
		if call.code != 0 {
			return nil, cuError(call.what, call.code)
		}
	}
	d.name = fmt.Sprintf("%s, compute capability %d.%d; CUDA driver %d.%d, NVRTC %d.%d", text(name[:]), major, minor, version/1000, version%1000/10, rtMajor, rtMinor)
	return d, d.build(fmt.Sprintf("--gpu-architecture=compute_%d%d", major, minor))
}

func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// cString is a C string.
func cString(p *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

func (d *cuda) build(arch string) error {
	source := append([]byte(cudaPrelude+kernelSource), 0)
	name := []byte("kernel.cu\x00")
	var p uintptr
	if code := nvrtc.CreateProgram(&p, &source[0], &name[0], 0, 0, 0); code != 0 {
		return fmt.Errorf("nvrtcCreateProgram failed with code %d", code)
	}
	defer nvrtc.DestroyProgram(&p)
	option := append([]byte(arch), 0)
	options := &option[0]
	if code := nvrtc.CompileProgram(p, 1, &options); code != 0 {
		var n uintptr
		nvrtc.GetProgramLogSize(p, &n)
		log := make([]byte, n+1)
		nvrtc.GetProgramLog(p, &log[0])
		return fmt.Errorf("nvrtcCompileProgram failed with code %d\n%s", code, text(log))
	}
	var n uintptr
	if code := nvrtc.GetPTXSize(p, &n); code != 0 {
		return fmt.Errorf("nvrtcGetPTXSize failed with code %d", code)
	}
	ptx := make([]byte, n+1)
	if code := nvrtc.GetPTX(p, &ptx[0]); code != 0 {
		return fmt.Errorf("nvrtcGetPTX failed with code %d", code)
	}
	var module uintptr
	if code := cu.ModuleLoadData(&module, &ptx[0]); code != 0 {
		return cuError("cuModuleLoadData", code)
	}
	for _, name := range kernels {
		zero := append([]byte(name), 0)
		var f uintptr
		if code := cu.ModuleGetFunction(&f, module, &zero[0]); code != 0 {
			return cuError("cuModuleGetFunction "+name, code)
		}
		d.kernels[name] = f
	}
	return nil
}

func cuError(what string, code int32) error {
	if code == 0 {
		return nil
	}
	var p *byte
	name := "unknown error"
	if cu.GetErrorName(code, &p) == 0 && p != nil {
		name = cString(p)
	}
	return fmt.Errorf("%s failed: %s (%d)", what, name, code)
}

func (d *cuda) about() string { return d.name }

func (d *cuda) alloc(bytes int64) (buffer, error) {
	var p uintptr
	code := cu.MemAlloc(&p, uintptr(bytes))
	return buffer(p), cuError(fmt.Sprintf("cuMemAlloc of %d bytes", bytes), code)
}

func (d *cuda) free(b buffer) error { return cuError("cuMemFree", cu.MemFree(uintptr(b))) }

func (d *cuda) write(b buffer, at int64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	// From pageable memory the call returns once the data is staged.
	return cuError("cuMemcpyHtoD", cu.MemcpyHtoDAsync(uintptr(b)+uintptr(at), &data[0], uintptr(len(data)), d.stream))
}

func (d *cuda) read(b buffer, at int64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if code := cu.MemcpyDtoHAsync(&data[0], uintptr(b)+uintptr(at), uintptr(len(data)), d.stream); code != 0 {
		return cuError("cuMemcpyDtoH", code)
	}
	return d.sync()
}

func (d *cuda) zero(b buffer, bytes int64) error {
	return cuError("cuMemset", cu.MemsetD32Async(uintptr(b), 0, uintptr(bytes)/4, d.stream))
}

func (d *cuda) launch(kernel string, groups, local int, args ...any) error {
	list := make([]unsafe.Pointer, len(args))
	held := make([]any, len(args))
	for i, a := range args {
		_, list[i], held[i] = argument(a)
	}
	code := cu.LaunchKernel(d.kernels[kernel], uint32(groups), 1, 1, uint32(local), 1, 1, 0, d.stream, &list[0], 0)
	runtime.KeepAlive(held)
	return cuError("cuLaunchKernel "+kernel, code)
}

func (d *cuda) sync() error { return cuError("cuStreamSynchronize", cu.StreamSynchronize(d.stream)) }

func (d *cuda) capture(what func() error) (graph, error) {
	if code := cu.StreamBeginCapture(d.stream, cuCaptureRelaxed); code != 0 {
		return 0, cuError("cuStreamBeginCapture", code)
	}
	err := what()
	var g, exec uintptr
	if code := cu.StreamEndCapture(d.stream, &g); code != 0 {
		return 0, cuError("cuStreamEndCapture", code)
	}
	if err != nil {
		return 0, err
	}
	code := cu.GraphInstantiateWithFlags(&exec, g, 0)
	cu.GraphDestroy(g)
	return graph(exec), cuError("cuGraphInstantiate", code)
}

func (d *cuda) replay(g graph) error {
	return cuError("cuGraphLaunch", cu.GraphLaunch(uintptr(g), d.stream))
}

func (d *cuda) release(g graph) error {
	return cuError("cuGraphExecDestroy", cu.GraphExecDestroy(uintptr(g)))
}

func (d *cuda) freeMemory() int64 {
	var free, total uintptr
	if cu.MemGetInfo(&free, &total) != 0 {
		return 0
	}
	return int64(free)
}
