package main

// The keys that a reader pinned, and the times at which each is believed (docs/receipt.md, When a key is believed).

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

type key struct {
	owner, role, id string
	der             []byte
	curve           *ecdsa.PublicKey  // of hub, node, authority, time-stamper, certificate-log
	edwards         ed25519.PublicKey // of log, witness
	start, end      *time.Time
	below           *int64
}

type policy struct {
	keys      []key
	witnesses int64
	frozen    bool  // a freeze is demanded
	wrong     error // what is wrong with the keys file itself: then nothing is known
}

// pinned reads a keys file; of a wrong one no key is known.
func pinned(raw []byte) policy {
	p, err := pinnedKeys(raw)
	p.wrong = err
	return p
}

func pinnedKeys(raw []byte) (p policy, err error) {
	v, err := read(raw)
	if err != nil {
		return p, err
	}
	if n, there := at(v, "witnesses_at_least"); there {
		p.witnesses = integer(n)
	}
	if n, there := at(v, "ml_dsa_at_least"); there && integer(n) > 0 {
		return p, errors.New("ML-DSA is asked for, and is not checked here")
	}
	if asked, _ := at(v, "log_ml_dsa"); asked == true {
		return p, errors.New("ML-DSA is asked for, and is not checked here")
	}
	demanded, _ := at(v, "frozen")
	p.frozen = demanded == true
	list, _ := at(v, "keys")
	entries, _ := list.([]interface{})
	for _, each := range entries {
		k, err := oneKey(each)
		if err != nil {
			return p, err
		}
		for _, before := range p.keys {
			if before.id == k.id && before.role == k.role {
				return p, fmt.Errorf("the key %s is listed twice", k.id)
			}
		}
		p.keys = append(p.keys, k)
	}
	return p, nil
}

func oneKey(v interface{}) (key, error) {
	k := key{owner: text(v, "owner"), role: text(v, "role"), id: text(v, "keyid")}
	block, _ := pem.Decode([]byte(text(v, "public_key")))
	if block == nil {
		return k, fmt.Errorf("the key of %s is not PEM", k.owner)
	}
	k.der = block.Bytes
	if id := sha256.Sum256(k.der); hex.EncodeToString(id[:]) != k.id {
		return k, fmt.Errorf("the key of %s has another's keyid", k.owner)
	}
	if public, err := x509.ParsePKIXPublicKey(k.der); err == nil {
		k.curve, _ = public.(*ecdsa.PublicKey)
		k.edwards, _ = public.(ed25519.PublicKey)
	} else if k.role != "witness-ml-dsa-44" && k.role != "log-ml-dsa-44" {
		return k, err
	}
	for name, place := range map[string]**time.Time{"start": &k.start, "end": &k.end} {
		if when := text(v, "window", name); when != "" {
			t, err := time.Parse("2006-01-02T15:04:05Z", when)
			if err != nil {
				return k, err
			}
			*place = &t
		}
	}
	if n, there := at(v, "window", "below"); there && n != nil {
		below := integer(n)
		k.below = &below
	}
	return k, nil
}

// believed says whether a signature that was stamped then, and logged there, counts.
func (k key) believed(stamped time.Time, places ...int64) error {
	if k.start != nil && stamped.Before(*k.start) {
		return fmt.Errorf("the key of %s (%s) was not good yet", k.owner, k.role)
	}
	return k.notEnded(stamped, places...)
}

func (k key) notEnded(stamped time.Time, places ...int64) error {
	if k.end != nil && !stamped.Before(*k.end) {
		return fmt.Errorf("the key of %s (%s) had ended", k.owner, k.role)
	}
	for _, place := range places {
		if k.below != nil && place >= *k.below {
			return fmt.Errorf("the key of %s (%s) is not believed at that place in the log", k.owner, k.role)
		}
	}
	return nil
}

func (p policy) find(role string, fits func(key) bool) []key {
	found := []key{}
	for _, k := range p.keys {
		if k.role == role && fits(k) {
			found = append(found, k)
		}
	}
	return found
}

// signed says whether it is a signature of ECDSA over SHA-256, in DER's one form.
func (k key) signed(message, signature []byte) bool {
	digest := sha256.Sum256(message)
	return k.curve != nil && ecdsa.VerifyASN1(k.curve, digest[:], signature)
}

// lowS says whether S is in the lower half of the order of P-256.
func lowS(signature []byte) bool {
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(signature, &pair)
	if err != nil || len(rest) > 0 {
		return false
	}
	order, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	return pair.S.Cmp(new(big.Int).Rsh(order, 1)) <= 0
}
