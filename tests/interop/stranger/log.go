package main

// The public log: its proof of inclusion, its checkpoint, and who saw that (docs/receipt.md, The log entry; RFC 9162; C2SP).

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

type line struct {
	name string
	raw  []byte
}

type checkpoint struct {
	body, origin string
	size         int64
	root         []byte
	lines        []line
}

func shaOf(parts ...[]byte) []byte {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// openNote reads a signed note of three lines.
func openNote(note string) (c checkpoint, err error) {
	head, tail, found := strings.Cut(note, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) != 3 || !strings.HasSuffix(tail, "\n") {
		return c, errors.New("the checkpoint is no signed note of three lines")
	}
	c.body, c.origin = head+"\n", lines[0]
	c.size, c.root = decimal(&err, lines[1]), b64(&err, lines[2])
	for _, each := range strings.Split(strings.TrimSuffix(tail, "\n"), "\n") {
		words := strings.Split(each, " ")
		if len(words) != 3 || words[0] != "—" || words[1] == "" {
			return c, errors.New("a signature's line of another form")
		}
		raw := b64(&err, words[2])
		if len(raw) < 5 {
			return c, errors.New("a signature's line that is too short")
		}
		c.lines = append(c.lines, line{words[1], raw})
	}
	return c, err
}

// proven follows RFC 9162, 2.1.3.2, from the entry to the root.
func (e entry) proven() (checkpoint, error) {
	c, err := openNote(e.note)
	if err != nil {
		return c, err
	}
	if e.said != e.index {
		return c, errors.New("two indices")
	}
	if e.size != c.size || !same(e.root, c.root) {
		return c, errors.New("size or root are not the checkpoint's")
	}
	if e.index >= e.size {
		return c, errors.New("an index beyond the tree")
	}
	fn, sn, hash := e.index, e.size-1, shaOf([]byte{0}, e.body)
	for _, p := range e.path {
		if sn == 0 || len(p) != 32 {
			return c, errors.New("the path is too long")
		}
		if fn&1 == 1 || fn == sn {
			hash = shaOf([]byte{1}, p, hash)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			hash = shaOf([]byte{1}, hash, p)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 || !same(hash, e.root) {
		return c, errors.New("the path does not lead to the root")
	}
	return c, nil
}

func noteID(name string, kind byte, public []byte) []byte {
	return shaOf([]byte(name), []byte{'\n', kind}, public)
}

// byLog gives the known keys of the log that signed the checkpoint; one of them at least is the one of logId.
func (c checkpoint) byLog(p policy, logID []byte) ([]key, error) {
	signers := []key{}
	for _, k := range p.find("log", func(k key) bool { return k.owner == c.origin && k.edwards != nil }) {
		id := noteID(k.owner, 1, k.edwards)
		for _, l := range c.lines {
			if l.name == k.owner && same(l.raw[:4], id[:4]) {
				if len(l.raw) != 68 || !ed25519.Verify(k.edwards, []byte(c.body), l.raw[4:]) {
					return nil, errors.New("the log's signature does not fit")
				}
				if same(id, logID) {
					signers = append(signers, k)
				}
			}
		}
	}
	if len(signers) == 0 {
		return nil, fmt.Errorf("no log that is known signed this checkpoint")
	}
	return signers, nil
}

// byWitnesses checks each known witness's line, and that they are enough.
func (c checkpoint) byWitnesses(p policy) error {
	seen := int64(0)
	for _, k := range p.find("witness", func(k key) bool { return k.edwards != nil }) {
		id, counted := noteID(k.owner, 4, k.edwards), false
		for _, l := range c.lines {
			if l.name != k.owner || !same(l.raw[:4], id[:4]) {
				continue
			}
			if len(l.raw) != 76 {
				return fmt.Errorf("the line of %s has another length", k.owner)
			}
			when := binary.BigEndian.Uint64(l.raw[4:12])
			message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", when, c.body)
			if !ed25519.Verify(k.edwards, []byte(message), l.raw[12:]) {
				return fmt.Errorf("the signature of %s does not fit", k.owner)
			}
			counted = true
		}
		if counted {
			seen++
		}
	}
	if seen < p.witnesses {
		return fmt.Errorf("%d witnesses, and %d are asked for", seen, p.witnesses)
	}
	return nil
}
