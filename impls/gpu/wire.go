package gpu

import (
	"bufio"
	"encoding/gob"
	"errors"
	"io"
	"slices"
)

// A request is a gob and behind it the bytes of its batch as they are: as a part of the
// gob, megabytes would be copied some more times, and the child would have fresh memory
// for each.

// sender writes requests.
type sender struct {
	enc *gob.Encoder
	w   *bufio.Writer
}

func newSender(out io.Writer) *sender {
	w := bufio.NewWriterSize(out, 1<<16)
	return &sender{gob.NewEncoder(w), w}
}

// send writes a request and the bytes of its batch.
func (s *sender) send(r *request) error {
	b := r.batch()
	b.WordBytes, b.GroupBytes = len(b.words), len(b.groups)
	if err := s.enc.Encode(r); err != nil {
		return err
	}
	_, err := s.w.Write(b.words)
	_, groupsErr := s.w.Write(b.groups)
	return errors.Join(err, groupsErr, s.w.Flush())
}

// receiver reads requests.
type receiver struct {
	dec *gob.Decoder
	r   *bufio.Reader
	// bytes is that of the last request's batch.
	bytes []byte
}

func newReceiver(in io.Reader) *receiver {
	// The decoder reads no further than it must from what reads bytes one by one.
	r := bufio.NewReaderSize(in, 1<<16)
	return &receiver{dec: gob.NewDecoder(r), r: r}
}

// receive reads a request. Its batch is good until the next call: who asks waits for the
// answer before.
func (r *receiver) receive() (*request, error) {
	q := new(request)
	if err := r.dec.Decode(q); err != nil {
		return nil, err
	}
	b := q.batch()
	if b == nil {
		return nil, errors.New("a request for nothing")
	}
	n := b.WordBytes + b.GroupBytes
	r.bytes = slices.Grow(r.bytes[:0], n)[:n]
	if _, err := io.ReadFull(r.r, r.bytes); err != nil {
		return nil, err
	}
	b.words, b.groups = r.bytes[:b.WordBytes], r.bytes[b.WordBytes:]
	return q, nil
}
