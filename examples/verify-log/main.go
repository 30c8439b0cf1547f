// Verifies a copied audit log, and receipts from it, with the Go project's own packages and nothing of WeiJiFen's:
// golang.org/x/mod/sumdb/note opens the signed checkpoint, golang.org/x/mod/sumdb/tlog checks tiles and proofs.
//
//	verify-log DIR VKEY [RECEIPT…]
//
// DIR is what `wjf audit export` wrote, VKEY the log's Ed25519 verifier key. Exit status 0 only when all of it holds.
// It proves that the log is one Merkle tree under one signature; the rules among its leaves it does not know.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	if len(os.Args) < 3 {
		fail("usage: verify-log DIR VKEY [RECEIPT…]")
	}
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	dir := os.Args[1]
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	check(err)
	tree := openCheckpoint(string(text), verifier)
	hashes := tlog.TileHashReader(tree, folder(dir))
	root, err := tlog.TreeHash(tree.N, hashes)
	check(err)
	if root != tree.Hash {
		fail("the tiles do not have the signed root")
	}
	checkLeaves(dir, tree, hashes)
	for _, path := range os.Args[3:] {
		checkReceipt(path, verifier, tree, hashes)
	}
	fmt.Printf("ok: %d leaves, %d receipts\n", tree.N, len(os.Args)-3)
}

// openCheckpoint believes a checkpoint (c2sp.org/tlog-checkpoint): origin, size, root, signed by the verifier's key.
func openCheckpoint(text string, verifier note.Verifier) tlog.Tree {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		fail("checkpoint: another log's")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: root}
}

// folder reads tiles where c2sp.org/tlog-tiles puts them: sumdb's tile/8/0/… is tile/0/….
type folder string

func (dir folder) Height() int { return height }

func (dir folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
		bytes, err := os.ReadFile(filepath.Join(string(dir), "tile", path))
		if err != nil {
			return nil, err
		}
		data[i] = bytes
	}
	return data, nil
}

func (dir folder) SaveTiles([]tlog.Tile, [][]byte) {}

// checkLeaves hashes every entry of every bundle, and compares it with the authenticated leaf hash.
func checkLeaves(dir string, tree tlog.Tree, hashes tlog.HashReader) {
	for start := int64(0); start < tree.N; start += 1 << height {
		width := tree.N - start
		if width > 1<<height {
			width = 1 << height
		}
		tile := tlog.Tile{H: height, L: 0, N: start >> height, W: int(width)}
		path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/0/", height))
		bundle, err := os.ReadFile(filepath.Join(dir, "tile", "entries", path))
		check(err)
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, start+int64(i))
		}
		wanted, err := hashes.ReadHashes(indexes)
		check(err)
		for i, hash := range wanted {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail("leaf %d: missing", start+int64(i))
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			if tlog.RecordHash(bundle[2:end]) != hash {
				fail("leaf %d: not what was hashed", start+int64(i))
			}
			bundle = bundle[end:]
		}
		if len(bundle) > 0 {
			fail("leaf %d: more after it than there should be", start+width-1)
		}
	}
}

// checkReceipt checks a .tlog-proof: the leaf is in the tree that its checkpoint signs, and that tree is where this log began.
func checkReceipt(path string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader) {
	text, err := os.ReadFile(path)
	check(err)
	head, checkpoint, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("%s: not a tlog-proof", path)
	}
	leaf, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	check(err)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	check(err)
	proof := tlog.RecordProof{}
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		check(err)
		proof = append(proof, hash)
	}
	then := openCheckpoint(checkpoint, verifier)
	check(tlog.CheckRecord(proof, then.N, then.Hash, index, tlog.RecordHash(leaf)))
	prefix, err := tlog.ProveTree(tree.N, then.N, hashes)
	check(err)
	check(tlog.CheckTree(prefix, tree.N, tree.Hash, then.N, then.Hash))
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
