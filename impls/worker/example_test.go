package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// A message is written and read whole.
func ExampleMessage() {
	var pipe bytes.Buffer
	sent := &worker.Message{
		Meta:    map[string]string{"op": "update"},
		Tensors: []worker.Tensor{{Name: "keys", DType: "U8", Shape: []int{1, 1, 2, 1}, Data: []byte{7, 8}}},
	}
	if err := sent.Write(&pipe); err != nil {
		fmt.Println(err)
		return
	}
	m, err := worker.Read(&pipe)
	if err != nil {
		fmt.Println(err)
		return
	}
	keys := m.Tensor("keys")
	fmt.Println(m.Meta["op"], keys.DType, keys.Shape, keys.Data, m.Tensor("values") == nil)
	_, err = worker.Read(&pipe)
	fmt.Println(err)
	// Output:
	// update U8 [1 1 2 1] [7 8] true
	// EOF
}

// newest is a cache that holds the newest Window tokens and returns them with the
// chunk: what its queries see, oldest first.
type newest struct {
	shape impls.Shape
	rows  [2]impls.Tensor // keys and values
}

func (c *newest) Reset() {
	c.rows = [2]impls.Tensor{impls.NewTensor(c.shape, 0), impls.NewTensor(c.shape, 0)}
}

func (c *newest) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if keys.Rows == 0 {
		return k, v, errors.New("no rows")
	}
	var all [2]impls.Tensor
	for i, chunk := range [...]impls.Tensor{keys, values} {
		old := c.rows[i]
		all[i] = impls.NewTensor(c.shape, old.Rows+chunk.Rows)
		for lane := range all[i].Lanes() {
			for r := range old.Rows {
				copy(all[i].Row(lane, r), old.Row(lane, r))
			}
			for r := range chunk.Rows {
				copy(all[i].Row(lane, old.Rows+r), chunk.Row(lane, r))
			}
		}
		c.rows[i] = all[i].Slice(max(0, all[i].Rows-c.shape.Window), all[i].Rows).Clone(c.shape)
	}
	return all[0], all[1], nil
}

// A worker in Go is a cache and a call of Serve, on its standard input and output;
// here on pipes, with the requests of a client written out.
func ExampleServe() {
	newCache := func(s impls.Shape) (impls.Cache, error) {
		c := &newest{shape: s}
		c.Reset()
		return c, nil
	}
	hello := worker.Hello{Name: "mine", Version: "1.0", Contract: "chunks", DTypes: []impls.DType{impls.U8}, Device: "cpu"}
	requests, in := io.Pipe()
	out, replies := io.Pipe()
	served := make(chan error)
	go func() { served <- worker.Serve(context.Background(), requests, replies, hello, newCache) }()

	ask := func(meta map[string]string, rows ...byte) *worker.Message {
		m := &worker.Message{Meta: meta}
		if rows != nil {
			for _, name := range []string{"keys", "values"} {
				m.Tensors = append(m.Tensors, worker.Tensor{Name: name, DType: "U8", Shape: []int{1, 1, len(rows), 1}, Data: rows})
			}
		}
		if err := m.Write(in); err != nil {
			return &worker.Message{Meta: map[string]string{"error": err.Error()}}
		}
		reply, err := worker.Read(out)
		if err != nil {
			return &worker.Message{Meta: map[string]string{"error": err.Error()}}
		}
		return reply
	}
	fmt.Println(ask(map[string]string{"op": "hello", "protocol": "1"}).Meta["name"])
	ask(map[string]string{"op": "new", "batch": "1", "heads": "1", "window": "2", "dim": "1", "dtype": "U8"})
	for _, rows := range [][]byte{{1, 2}, {3}, {}} {
		reply := ask(map[string]string{"op": "update"}, rows...)
		if why, refused := reply.Meta["error"]; refused {
			fmt.Println(why)
			continue
		}
		fmt.Println(reply.Tensor("keys").Data)
	}
	ask(map[string]string{"op": "bye"})
	fmt.Println(<-served)
	// Output:
	// mine
	// [1 2]
	// [1 2 3]
	// no rows
	// <nil>
}
