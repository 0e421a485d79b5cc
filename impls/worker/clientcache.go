package worker

import (
	"context"
	"errors"
	"strconv"

	"github.com/slidefuzz/slidefuzz/impls"
)

// New drops the cache before it and makes an empty one.
func (c *Client) New(ctx context.Context, s impls.Shape) error {
	c.fault, c.positions, c.visible, c.Order = nil, nil, nil, nil
	if _, err := c.Hello(ctx); err != nil {
		return err
	}
	c.shape = s
	c.shape.Layout = impls.HeadsFirst
	c.batch, c.taken = s.Batch, map[int]int{}
	_, err := c.ask(ctx, "new", map[string]string{
		"batch": strconv.Itoa(s.Batch), "heads": strconv.Itoa(s.Heads), "window": strconv.Itoa(s.Window),
		"dim": strconv.Itoa(s.Dim), "dtype": s.DType.String(),
	})
	return err
}

// Update is impls.Cache's. After a fault the fault comes back for every call
// until New.
func (c *Client) Update(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.update(ctx, nil, keys, values)
}

// UpdateEach is impls.RaggedUpdater's.
func (c *Client) UpdateEach(ctx context.Context, keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	if err := c.offered("update", "ragged"); err != nil {
		return k, v, err
	}
	return c.update(ctx, map[string]string{"lens": formatList(lengths)}, keys, values)
}

func (c *Client) update(ctx context.Context, meta map[string]string, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if c.Order != nil && c.hello.Order {
		if meta == nil {
			meta = map[string]string{}
		}
		meta["order"] = formatList(c.Order)
	}
	reply, err := c.ask(ctx, "update", meta, pack("keys", &keys), pack("values", &values))
	if err != nil {
		return k, v, err
	}
	returned := [2]impls.Tensor{}
	for i, name := range [...]string{"keys", "values"} {
		if returned[i], err = unpack(reply.Tensor(name)); err != nil {
			return k, v, c.fail(Nonsense, "the reply to update: %s: %v", name, err)
		}
	}
	// A chunk of another batch should be refused. One that was taken is for the
	// judge, not a fault of the protocol: what is said of it has its batch.
	c.positions, c.visible = nil, nil
	if t := reply.Tensor("positions"); t != nil {
		if c.positions, err = unpackPositions(t, keys.Batch); err != nil {
			return k, v, c.fail(Nonsense, "the reply to update: positions: %v", err)
		}
	}
	if t := reply.Tensor("visible"); t != nil {
		if c.visible, err = unpackVisible(t, keys.Batch, keys.Rows, returned[0].Rows); err != nil {
			return k, v, c.fail(Nonsense, "the reply to update: visible: %v", err)
		}
	}
	return returned[0], returned[1], nil
}

// Reset is impls.Cache's. A worker that refuses it breaks the protocol.
func (c *Client) Reset(ctx context.Context) error {
	c.positions, c.visible = nil, nil
	_, err := c.ask(ctx, "reset", nil)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return c.fail(Nonsense, "reset was refused: %s", refused.Reason)
	}
	if err == nil {
		c.batch = c.shape.Batch
	}
	return err
}

// Crop is impls.Cropper's.
func (c *Client) Crop(ctx context.Context, n int) error {
	if err := c.offered("crop", "crop"); err != nil {
		return err
	}
	_, err := c.ask(ctx, "crop", map[string]string{"length": strconv.Itoa(n)})
	return err
}

// CropEach is impls.RaggedCropper's.
func (c *Client) CropEach(ctx context.Context, lengths []int) error {
	if err := c.offered("crop", "crop-each"); err != nil {
		return err
	}
	_, err := c.ask(ctx, "crop", map[string]string{"lengths": formatList(lengths)})
	return err
}

// Select is impls.Selector's.
func (c *Client) Select(ctx context.Context, entries []int) error {
	if err := c.offered("select", "select"); err != nil {
		return err
	}
	_, err := c.ask(ctx, "select", map[string]string{"entries": formatList(entries)})
	if err == nil {
		c.batch = len(entries)
	}
	return err
}

// Snapshot is impls.Snapshotter's.
func (c *Client) Snapshot(ctx context.Context, id int) error {
	err := c.snapshots(ctx, "snapshot", id)
	if err == nil {
		c.taken[id] = c.batch
	}
	return err
}

// Restore is impls.Snapshotter's.
func (c *Client) Restore(ctx context.Context, id int) error {
	err := c.snapshots(ctx, "restore", id)
	if batch, ok := c.taken[id]; ok && err == nil {
		c.batch = batch
	}
	return err
}

func (c *Client) snapshots(ctx context.Context, op string, id int) error {
	if err := c.offered(op, "snapshot"); err != nil {
		return err
	}
	_, err := c.ask(ctx, op, map[string]string{"id": strconv.Itoa(id)})
	return err
}

// offered refuses a request of a capability that the worker lacks.
func (c *Client) offered(op, capability string) error {
	if c.hello.Offers(capability) {
		return nil
	}
	return &RefusedError{op, "the worker does not offer it"}
}

// Positions is impls.Positioner's.
func (c *Client) Positions() [][]int { return c.positions }

// Visible is impls.Masker's.
func (c *Client) Visible() [][][]bool { return c.visible }

// Sinks is impls.Sinker's.
func (c *Client) Sinks() int { return c.hello.Sinks }
