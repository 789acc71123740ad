package main

// The second form: a certificate by the hub's authority and an RFC 3161 time stamp (docs/receipt.md, The second form).

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// authority is the hub's three at one place of the trust config: who certifies, who stamps certificates, who stamps times.
type authority struct {
	root, stamper *x509.Certificate
	log           []byte // SubjectPublicKeyInfo of the certificate log
}

func trusted(raw []byte) (list []authority, err error) {
	v, err := read(raw)
	if err != nil {
		return nil, err
	}
	count := func(list string) int {
		found, _ := at(v, "trustedRoot", list)
		each, _ := found.([]interface{})
		return len(each)
	}
	n := count("certificateAuthorities")
	if n == 0 || count("ctlogs") != n || count("timestampAuthorities") != n {
		return nil, errors.New("not as many authorities, certificate logs and stampers")
	}
	for i := 0; i < n; i++ {
		root := text(v, "trustedRoot", "certificateAuthorities", i, "certChain", "certificates", 0, "rawBytes")
		stamper := text(v, "trustedRoot", "timestampAuthorities", i, "certChain", "certificates", 0, "rawBytes")
		log := text(v, "trustedRoot", "ctlogs", i, "publicKey", "rawBytes")
		a := authority{log: b64(&err, log)}
		if err == nil {
			a.root, err = x509.ParseCertificate(b64(&err, root))
		}
		if err == nil {
			a.stamper, err = x509.ParseCertificate(b64(&err, stamper))
		}
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

type stamp struct {
	at           time.Time
	signerSHA256 []byte // which certificate the stamper says is its own (ESS signingCertificateV2)
	attributes   []byte // what it signed: the DER of SET OF Attribute
	signature    []byte
}

var (
	oidSHA256      = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidECDSA       = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidSignedData  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidDigest      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningCert = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidPolicy      = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}
	oidSCT         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
	oidIssuerURI   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
	oidIssuerRaw   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
)

type algorithm struct {
	OID        asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

type response struct {
	Status struct{ Status int }
	Token  struct {
		Type    asn1.ObjectIdentifier
		Content struct {
			Version int
			Digests []algorithm `asn1:"set"`
			Content struct {
				Type asn1.ObjectIdentifier
				Info []byte `asn1:"explicit,tag:0"`
			}
			Signers []signer `asn1:"set"`
		} `asn1:"explicit,tag:0"`
	}
}

type signer struct {
	Version    int
	ID         struct{ Issuer, Serial asn1.RawValue }
	Digest     algorithm
	Attributes asn1.RawValue `asn1:"tag:0"`
	Algorithm  algorithm
	Signature  []byte
}

type info struct {
	Version int
	Policy  asn1.ObjectIdentifier
	Imprint struct {
		Digest algorithm
		Hash   []byte
	}
	Serial asn1.RawValue
	Time   time.Time `asn1:"generalized"`
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// openStamp reads a time stamp over this message.
func openStamp(raw, message []byte) (s stamp, err error) {
	var r response
	if rest, err := asn1.Unmarshal(raw, &r); err != nil || len(rest) > 0 {
		return s, errors.New("no TimeStampResp of this form")
	}
	data := r.Token.Content
	var t info
	if rest, err := asn1.Unmarshal(data.Content.Info, &t); err != nil || len(rest) > 0 {
		return s, errors.New("no TSTInfo of this form")
	}
	if len(data.Signers) != 1 || r.Status.Status != 0 || !r.Token.Type.Equal(oidSignedData) || !data.Content.Type.Equal(oidTSTInfo) ||
		!t.Policy.Equal(oidPolicy) || !t.Imprint.Digest.OID.Equal(oidSHA256) || !data.Signers[0].Digest.OID.Equal(oidSHA256) ||
		!data.Signers[0].Algorithm.OID.Equal(oidECDSA) {
		return s, errors.New("a time stamp of another kind")
	}
	if !same(t.Imprint.Hash, shaOf(message)) {
		return s, errors.New("a time stamp over other bytes")
	}
	s.at, s.signature = t.Time, data.Signers[0].Signature
	s.attributes = append([]byte{0x31}, data.Signers[0].Attributes.FullBytes[1:]...)
	var attributes []attribute
	if rest, err := asn1.UnmarshalWithParams(s.attributes, &attributes, "set"); err != nil || len(rest) > 0 {
		return s, errors.New("attributes of another form")
	}
	for _, a := range attributes {
		if len(a.Values) != 1 {
			return s, errors.New("an attribute of several values")
		}
		switch v := a.Values[0]; {
		case a.Type.Equal(oidDigest) && !same(v.Bytes, shaOf(data.Content.Info)):
			return s, errors.New("the stamp is over other information")
		case a.Type.Equal(oidContentType) && !bytes.HasSuffix(v.FullBytes, []byte{9, 16, 1, 4}):
			return s, errors.New("the stamp is over another type")
		case a.Type.Equal(oidSigningCert):
			var cert struct{ Certs []struct{ Hash []byte } }
			if _, err := asn1.Unmarshal(v.FullBytes, &cert); err != nil || len(cert.Certs) != 1 {
				return s, errors.New("signingCertificateV2 of another form")
			}
			s.signerSHA256 = cert.Certs[0].Hash
		}
	}
	if len(attributes) != 3 || s.signerSHA256 == nil {
		return s, errors.New("other attributes than the three")
	}
	return s, nil
}

func goodAt(c *x509.Certificate, when time.Time) bool {
	return !when.Before(c.NotBefore) && !when.After(c.NotAfter)
}

// certified checks a receipt's certificate: who issued it and stamped it, when it is good, and of whom it is.
func certified(raw []byte, who key, uri, hub string, a authority, when time.Time) error {
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		return err
	}
	if err := a.root.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		return fmt.Errorf("not issued by the authority: %v", err)
	}
	if !same(c.RawIssuer, a.root.RawSubject) || c.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		return errors.New("issued in another name or another way")
	}
	if !goodAt(c, when) || !goodAt(a.root, when) {
		return errors.New("not good at the time of the stamp")
	}
	if !same(c.RawSubjectPublicKeyInfo, who.der) {
		return errors.New("of another key than the one that signed")
	}
	if len(c.URIs) != 1 || c.URIs[0].String() != uri || len(c.DNSNames)+len(c.EmailAddresses)+len(c.IPAddresses) > 0 {
		return errors.New("of another signer")
	}
	if c.KeyUsage != x509.KeyUsageDigitalSignature || len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageCodeSigning {
		return errors.New("for another use")
	}
	var stamps []byte
	for _, e := range c.Extensions {
		switch {
		case e.Id.Equal(oidIssuerRaw) && string(e.Value) != hub, e.Id.Equal(oidIssuerURI) && (len(e.Value) < 2 || string(e.Value[2:]) != hub):
			return errors.New("of another hub")
		case e.Id.Equal(oidSCT):
			if _, err := asn1.Unmarshal(e.Value, &stamps); err != nil {
				return err
			}
		}
	}
	return stampedByLog(c, stamps, a)
}

// stampedByLog checks the one embedded stamp of RFC 6962: over the certificate without it, and the authority's key.
func stampedByLog(c *x509.Certificate, list []byte, a authority) error {
	if len(list) < 4+47 || int(binary.BigEndian.Uint16(list)) != len(list)-2 || int(binary.BigEndian.Uint16(list[2:])) != len(list)-4 {
		return errors.New("not one certificate stamp")
	}
	sct := list[4:]
	if sct[0] != 0 || !same(sct[1:33], shaOf(a.log)) || sct[41] != 0 || sct[42] != 0 || sct[43] != 4 || sct[44] != 3 ||
		int(binary.BigEndian.Uint16(sct[45:])) != len(sct)-47 {
		return errors.New("a certificate stamp of another log, or another form")
	}
	tbs, err := withoutStamp(c.RawTBSCertificate)
	if err != nil {
		return err
	}
	message := append([]byte{0, 0}, sct[33:41]...)
	message = append(message, 0, 1)
	message = append(message, shaOf(a.root.RawSubjectPublicKeyInfo)...)
	message = append(message, byte(len(tbs)>>16), byte(len(tbs)>>8), byte(len(tbs)))
	message = append(append(message, tbs...), 0, 0)
	k := key{}
	if public, err := x509.ParsePKIXPublicKey(a.log); err == nil {
		k = key{curve: curve(public)}
	}
	if !k.signed(message, sct[47:]) {
		return errors.New("the certificate log's signature does not fit")
	}
	return nil
}

// withoutStamp writes the certificate's inside again, as it was before the stamp went in.
func withoutStamp(tbs []byte) ([]byte, error) {
	fields, err := children(tbs)
	if err != nil {
		return nil, err
	}
	inside := []byte{}
	for _, f := range fields {
		if f.Class == asn1.ClassContextSpecific && f.Tag == 3 {
			list, err := children(f.Bytes)
			if err != nil {
				return nil, err
			}
			kept := []byte{}
			for _, e := range list {
				var id asn1.ObjectIdentifier
				if _, err := asn1.Unmarshal(e.Bytes, &id); err != nil {
					return nil, err
				}
				if !id.Equal(oidSCT) {
					kept = append(kept, e.FullBytes...)
				}
			}
			f.FullBytes = wrap(0xa3, wrap(0x30, kept))
		}
		inside = append(inside, f.FullBytes...)
	}
	return wrap(0x30, inside), nil
}

func children(raw []byte) (list []asn1.RawValue, err error) {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(raw, &outer); err != nil {
		return nil, err
	}
	for rest := outer.Bytes; len(rest) > 0; {
		var each asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &each); err != nil {
			return nil, err
		}
		list = append(list, each)
	}
	return list, nil
}

func wrap(tag byte, inside []byte) []byte {
	n := len(inside)
	switch {
	case n < 128:
		return append([]byte{tag, byte(n)}, inside...)
	case n < 256:
		return append([]byte{tag, 0x81, byte(n)}, inside...)
	}
	return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, inside...)
}
