// Reads {folder, vkey, checkpoints} as JSON from standard input, and checks our log with Go's own sumdb packages, which
// `go mod` uses for every module in the world. Prints ok, or ends with the error.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"rapha.test/interop/note"
	"rapha.test/interop/tlog"
)

type inclusion struct {
	Index int64
	Entry string
	Proof []string
}

type asked struct {
	Folder      string
	Vkey        string
	Checkpoints []struct {
		Note        string
		Inclusions  []inclusion
		Consistency []string
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func decoded(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	check(err)
	return data
}

func hashes(texts []string) []tlog.Hash {
	found := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		copy(found[i][:], decoded(text))
	}
	return found
}

// files reads tiles from the folder: sumdb says tile/8/L/N where C2SP says tile/L/N.
type files struct{ folder string }

func (f files) Height() int                            { return 8 }
func (f files) SaveTiles(_ []tlog.Tile, _ [][]byte)    {}
func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(f.folder, strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		found[i] = data
	}
	return found, nil
}

func main() {
	var question asked
	check(json.NewDecoder(os.Stdin).Decode(&question))
	verifier, err := note.NewVerifier(question.Vkey)
	check(err)
	var before tlog.Tree
	for _, checkpoint := range question.Checkpoints {
		opened, err := note.Open([]byte(checkpoint.Note), note.VerifierList(verifier))
		check(err)
		lines := bytes.Split([]byte(opened.Text), []byte("\n"))
		size, err := strconv.ParseInt(string(lines[1]), 10, 64)
		check(err)
		now := tlog.Tree{N: size}
		copy(now.Hash[:], decoded(string(lines[2])))
		reader := tlog.TileHashReader(now, files{question.Folder})
		root, err := tlog.TreeHash(size, reader)
		check(err)
		if root != now.Hash {
			check(fmt.Errorf("the tiles do not lead to the root of %d", size))
		}
		for _, each := range checkpoint.Inclusions {
			leaf := tlog.RecordHash(decoded(each.Entry))
			check(tlog.CheckRecord(tlog.RecordProof(hashes(each.Proof)), size, now.Hash, each.Index, leaf))
		}
		if before.N > 0 {
			check(tlog.CheckTree(tlog.TreeProof(hashes(checkpoint.Consistency)), now.N, now.Hash, before.N, before.Hash))
		}
		before = now
	}
	fmt.Println("ok")
}
