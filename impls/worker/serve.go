package worker

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Ordered is a cache whose kernels run their blocks in an order that is given, for
// the capability order. Order is called before each update that has one, with the
// numbers of blocks, each once; blocks that are not listed come after, ascending. With
// nil the order is the cache's own again.
type Ordered interface {
	Order(blocks []int) error
}

// Serve answers requests for caches that make makes, until bye, the end of in or
// that of ctx. What a cache can do beyond Update and Reset it says by implementing
// impls.Cropper, RaggedCropper, RaggedUpdater, Selector, Snapshotter, Positioner
// or Masker, or Ordered; hello says whether all do. An impls.Layered is refused: the protocol
// has no layers.
func Serve(ctx context.Context, in io.Reader, out io.Writer, hello Hello, make func(impls.Shape) (impls.Cache, error)) error {
	s := &server{hello: hello, make: make}
	return serve(ctx, in, out, s.answer)
}

// serve answers each request with what answer says of it.
func serve(ctx context.Context, in io.Reader, out io.Writer, answer func(*Message) (*Message, error)) error {
	type incoming struct {
		m   *Message
		err error
	}
	requests := make(chan incoming)
	done := make(chan struct{})
	defer close(done)
	go func() {
		r := bufio.NewReaderSize(in, 1<<16)
		for {
			m, err := Read(r)
			select {
			case requests <- incoming{m, err}:
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	for {
		var request incoming
		select {
		case request = <-requests:
		case <-ctx.Done():
			return ctx.Err()
		}
		if errors.Is(request.err, io.EOF) {
			return nil
		}
		if request.err != nil {
			return request.err
		}
		reply, err := answer(request.m)
		if err != nil {
			reply = &Message{Meta: map[string]string{"error": err.Error()}}
		}
		if err := reply.Write(out); err != nil {
			return err
		}
		if request.m.Meta["op"] == "bye" {
			return nil
		}
	}
}

type server struct {
	hello Hello
	make  func(impls.Shape) (impls.Cache, error)
	cache impls.Cache
	shape impls.Shape
}

func (s *server) answer(m *Message) (*Message, error) {
	op := m.Meta["op"]
	number := func(key string) (int, error) {
		n, err := strconv.Atoi(m.Meta[key])
		if err != nil {
			return 0, fmt.Errorf("%s: %s=%q: want a number", op, key, m.Meta[key])
		}
		return n, nil
	}
	nothing := &Message{Meta: map[string]string{}}
	switch op {
	case "hello":
		if v := m.Meta["protocol"]; v != "1" {
			return nil, fmt.Errorf("protocol %q: this worker speaks 1", v)
		}
		return s.hello.message(), nil
	case "bye":
		return nothing, nil
	case "new":
		return nothing, s.new(m, number)
	}
	if s.cache == nil {
		return nil, fmt.Errorf("%q before new", op)
	}
	switch op {
	case "update":
		return s.update(m)
	case "select":
		entries, err := list(m, "entries")
		c, ok := s.cache.(impls.Selector)
		if !ok {
			err = cmp.Or(err, errors.New("this cache cannot select"))
		}
		if err != nil {
			return nil, err
		}
		return nothing, c.Select(entries)
	case "reset":
		s.cache.Reset()
		return nothing, nil
	case "crop":
		if _, each := m.Meta["lengths"]; each {
			return nothing, s.cropEach(m)
		}
		n, err := number("length")
		c, ok := s.cache.(impls.Cropper)
		if !ok {
			err = cmp.Or(err, errors.New("this cache cannot crop"))
		}
		if err != nil {
			return nil, err
		}
		return nothing, c.Crop(n)
	case "snapshot", "restore":
		id, err := number("id")
		c, ok := s.cache.(impls.Snapshotter)
		if !ok {
			err = cmp.Or(err, errors.New("this cache has no snapshots"))
		}
		if err != nil {
			return nil, err
		}
		if op == "snapshot" {
			return nothing, c.Snapshot(id)
		}
		return nothing, c.Restore(id)
	}
	return nil, fmt.Errorf("op %q: want hello, new, update, reset, crop, select, snapshot, restore or bye", op)
}

func (s *server) new(m *Message, number func(string) (int, error)) error {
	var shape impls.Shape
	var errs []error
	for _, f := range []struct {
		name string
		to   *int
	}{{"batch", &shape.Batch}, {"heads", &shape.Heads}, {"window", &shape.Window}, {"dim", &shape.Dim}} {
		n, err := number(f.name)
		*f.to = n
		errs = append(errs, err)
	}
	d, err := impls.ParseDType(m.Meta["dtype"])
	shape.DType = d
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	cache, err := s.make(shape)
	if err != nil {
		return err
	}
	if _, layered := cache.(impls.Layered); layered {
		return errors.New("this cache has layers, of which the protocol knows nothing; serve one layer of it")
	}
	s.cache, s.shape = cache, shape
	return nil
}

func (s *server) update(m *Message) (*Message, error) {
	keys, err := unpack(m.Tensor("keys"))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	values, err := unpack(m.Tensor("values"))
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	if err := s.order(m); err != nil {
		return nil, err
	}
	k, v, err := s.append(m, keys, values)
	if err != nil {
		return nil, err
	}
	reply := &Message{Meta: map[string]string{}, Tensors: []Tensor{pack("keys", &k), pack("values", &v)}}
	if p, ok := s.cache.(impls.Positioner); ok {
		if lists := p.Positions(); len(lists) > 0 {
			reply.Tensors = append(reply.Tensors, packPositions(lists))
		}
	}
	if p, ok := s.cache.(impls.Masker); ok {
		if lists := p.Visible(); lists != nil {
			reply.Tensors = append(reply.Tensors, packVisible(lists, k.Rows))
		}
	}
	return reply, nil
}

// order hands the cache the order of an update.
func (s *server) order(m *Message) error {
	c, ok := s.cache.(Ordered)
	if _, given := m.Meta["order"]; !given {
		if ok {
			return c.Order(nil)
		}
		return nil
	}
	if !ok {
		return errors.New("this cache takes no order of its blocks")
	}
	blocks, err := list(m, "order")
	if err != nil {
		return err
	}
	return c.Order(blocks)
}

// append hands a chunk to the cache, with a number for each entry where the
// request has one.
func (s *server) append(m *Message, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if _, each := m.Meta["lens"]; !each {
		return s.cache.Update(keys, values)
	}
	lengths, err := list(m, "lens")
	c, ok := s.cache.(impls.RaggedUpdater)
	if !ok {
		err = cmp.Or(err, errors.New("this cache takes as many tokens in each entry"))
	}
	if err != nil {
		return k, v, err
	}
	return c.UpdateEach(keys, values, lengths)
}

func (s *server) cropEach(m *Message) error {
	lengths, err := list(m, "lengths")
	if _, one := m.Meta["length"]; one {
		err = cmp.Or(err, errors.New("crop: length and lengths; want one of them"))
	}
	c, ok := s.cache.(impls.RaggedCropper)
	if !ok {
		err = cmp.Or(err, errors.New("this cache crops its entries to one length"))
	}
	if err != nil {
		return err
	}
	return c.CropEach(lengths)
}

// list is a metadata string of numbers.
func list(m *Message, key string) ([]int, error) {
	all, err := parseList(m.Meta[key])
	if err != nil {
		return nil, fmt.Errorf("%s: %s=%q: %w", m.Meta["op"], key, m.Meta[key], err)
	}
	return all, nil
}
