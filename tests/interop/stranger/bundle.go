package main

// A receipt file: the Sigstore bundle around one DSSE envelope (docs/receipt.md, The bundle).

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

type entry struct {
	index, size, said int64 // `said`: the entry's own index, beside its proof's
	logID, body       []byte
	root              []byte
	path              [][]byte
	note              string
}

type bundle struct {
	payload, signature []byte
	keyid              string
	entry              entry
	hint               string // of the first form
	certificate, stamp []byte // of the second
	envelope           []byte // its RFC 8785 bytes, to compare
}

var first = shape(`{"mediaType":"","dsseEnvelope":{"payloadType":"","payload":"","signatures":[{"keyid":"","sig":""}]},
 "verificationMaterial":{"publicKey":{"hint":""},"tlogEntries":[` + logEntry + `]}}`)
var second = shape(`{"mediaType":"","dsseEnvelope":{"payloadType":"","payload":"","signatures":[{"keyid":"","sig":""}]},
 "verificationMaterial":{"certificate":{"rawBytes":""},"tlogEntries":[` + logEntry + `],
 "timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":""}]}}}`)

const logEntry = `{"logIndex":"","logId":{"keyId":""},"kindVersion":{"kind":"","version":""},
 "inclusionProof":{"logIndex":"","rootHash":"","treeSize":"","hashes":[],"checkpoint":{"envelope":""}},"canonicalizedBody":""}`

func shape(s string) interface{} {
	v, err := read([]byte(s))
	if err != nil {
		panic(err)
	}
	return v
}

// like says whether a value has exactly these fields; an empty list in the pattern stands for any number of texts.
func like(pattern, v interface{}) bool {
	switch p := pattern.(type) {
	case object:
		o, is := v.(object)
		for name := range p {
			if _, there := o[name]; !there || !like(p[name], o[name]) {
				return false
			}
		}
		return is && len(o) == len(p)
	case []interface{}:
		list, is := v.([]interface{})
		for i := range list {
			if len(p) == 1 && !like(p[0], list[i]) || len(p) == 0 && kind(list[i]) != "string" {
				return false
			}
		}
		return is && (len(p) == 0 || len(list) == len(p))
	}
	return kind(v) == "string"
}

func openBundle(raw []byte, certified bool) (b bundle, err error) {
	if len(raw) > 33<<20 {
		return b, errors.New("larger than 33 MiB")
	}
	v, err := read(raw)
	if err != nil {
		return b, err
	}
	if form := map[bool]interface{}{false: first, true: second}[certified]; !like(form, v) {
		return b, errors.New("not the fields of a receipt")
	}
	if text(v, "mediaType") != "application/vnd.dev.sigstore.bundle.v0.3+json" {
		return b, errors.New("another media type")
	}
	if text(v, "dsseEnvelope", "payloadType") != "application/vnd.in-toto+json" {
		return b, errors.New("another payload type")
	}
	envelope, _ := at(v, "dsseEnvelope")
	b.envelope, _ = canonical(envelope)
	b.keyid = text(v, "dsseEnvelope", "signatures", 0, "keyid")
	b.hint = text(v, "verificationMaterial", "publicKey", "hint")
	b.payload = b64(&err, text(envelope, "payload"))
	b.signature = b64(&err, text(envelope, "signatures", 0, "sig"))
	if certified {
		b.certificate = b64(&err, text(v, "verificationMaterial", "certificate", "rawBytes"))
		b.stamp = b64(&err, text(v, "verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0, "signedTimestamp"))
	}
	e, _ := at(v, "verificationMaterial", "tlogEntries", 0)
	b.entry = openEntry(&err, e)
	if len(b.payload) > 24<<20 {
		return b, errors.New("a payload larger than 24 MiB")
	}
	return b, err
}

func openEntry(err *error, v interface{}) entry {
	e := entry{
		said:  decimal(err, text(v, "logIndex")),
		index: decimal(err, text(v, "inclusionProof", "logIndex")), size: decimal(err, text(v, "inclusionProof", "treeSize")),
		logID: b64(err, text(v, "logId", "keyId")), body: b64(err, text(v, "canonicalizedBody")),
		root: b64(err, text(v, "inclusionProof", "rootHash")), note: text(v, "inclusionProof", "checkpoint", "envelope"),
	}
	hashes, _ := at(v, "inclusionProof", "hashes")
	for _, each := range hashes.([]interface{}) {
		e.path = append(e.path, b64(err, each.(string)))
	}
	if text(v, "kindVersion", "kind") != "hashedrekord" || text(v, "kindVersion", "version") != "0.0.2" {
		*err = errors.New("an entry of another kind")
	}
	return e
}

func b64(err *error, s string) []byte {
	raw, wrong := base64.StdEncoding.Strict().DecodeString(s)
	if wrong != nil || base64.StdEncoding.EncodeToString(raw) != s {
		*err = errors.New("base64 that is not strict")
	}
	return raw
}

func decimal(err *error, s string) int64 {
	n, wrong := strconv.ParseInt(s, 10, 64)
	if wrong != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		*err = fmt.Errorf("%q is no number", s)
	}
	return n
}

// signedBytes is DSSE's pre-authentication encoding.
func (b bundle) signedBytes() []byte {
	head := fmt.Sprintf("DSSEv1 28 application/vnd.in-toto+json %d ", len(b.payload))
	return append([]byte(head), b.payload...)
}

// body is what the log has to hold of it: hashedrekord/0.0.2 with this verifier, `publicKey` or `x509Certificate`.
func (b bundle) body(verifier string, der []byte) []byte {
	raw, _ := canonical(object{"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": object{"hashedRekordV002": object{
		"data": object{"algorithm": "SHA2_256", "digest": base64.StdEncoding.EncodeToString(shaOf(b.signedBytes()))},
		"signature": object{"content": base64.StdEncoding.EncodeToString(b.signature), "verifier": object{
			"keyDetails": "PKIX_ECDSA_P256_SHA_256", verifier: object{"rawBytes": base64.StdEncoding.EncodeToString(der)}}}}}})
	return raw
}

// at walks down a JSON value by names and places.
func at(v interface{}, way ...interface{}) (interface{}, bool) {
	for _, step := range way {
		switch s := step.(type) {
		case string:
			o, _ := v.(object)
			next, there := o[s]
			if !there {
				return nil, false
			}
			v = next
		case int:
			list, _ := v.([]interface{})
			if s >= len(list) {
				return nil, false
			}
			v = list[s]
		}
	}
	return v, true
}

// text is the string there, or none.
func text(v interface{}, way ...interface{}) string {
	found, _ := at(v, way...)
	s, _ := found.(string)
	return s
}

func integer(v interface{}) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

func hexOf(raw []byte) string { return hex.EncodeToString(shaOf(raw)) }

func same(a, b []byte) bool { return bytes.Equal(a, b) }
