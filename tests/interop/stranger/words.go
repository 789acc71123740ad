package main

// JSON as strangers send it: read strictly, written by RFC 8785, and measured against a published JSON Schema.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
	"unicode/utf16"
)

type object = map[string]interface{}

const deepest = 64

// read takes one JSON value and nothing behind it; a name twice in one object is refused, and so is what is nested too deep.
func read(raw []byte) (interface{}, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := value(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something stands behind the JSON")
	}
	return v, nil
}

func value(d *json.Decoder, depth int) (interface{}, error) {
	t, err := d.Token()
	delim, opens := t.(json.Delim)
	if err != nil || !opens {
		return t, err
	}
	if depth == deepest {
		return nil, errors.New("nested too deep")
	}
	list, named := []interface{}{}, object{}
	for d.More() {
		name := ""
		if delim == '{' {
			t, err := d.Token()
			if err != nil {
				return nil, err
			}
			name = t.(string)
			if _, twice := named[name]; twice {
				return nil, fmt.Errorf("%q stands there twice", name)
			}
		}
		v, err := value(d, depth+1)
		if err != nil {
			return nil, err
		}
		named[name], list = v, append(list, v)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if delim == '{' {
		return named, nil
	}
	return list, nil
}

var whole = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// canonical writes a value as RFC 8785 does; there is no real number in what Rapha signs, so one is an error.
func canonical(v interface{}) ([]byte, error) {
	var out bytes.Buffer
	err := write(&out, v)
	return out.Bytes(), err
}

func write(out *bytes.Buffer, v interface{}) error {
	switch v := v.(type) {
	case nil:
		out.WriteString("null")
	case bool:
		fmt.Fprint(out, v)
	case json.Number:
		if !whole.MatchString(string(v)) {
			return errors.New("a bare real number")
		}
		out.WriteString(string(v))
	case string:
		quote(out, v)
	case []interface{}:
		for i, each := range v {
			out.WriteByte("[,"[min(i, 1)])
			if err := write(out, each); err != nil {
				return err
			}
		}
		out.WriteString([]string{"[]", "]"}[min(len(v), 1)])
	case object:
		for i, name := range sorted(v) {
			out.WriteByte("{,"[min(i, 1)])
			quote(out, name)
			out.WriteByte(':')
			if err := write(out, v[name]); err != nil {
				return err
			}
		}
		out.WriteString([]string{"{}", "}"}[min(len(v), 1)])
	}
	return nil
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

// sorted gives the names in the order of their UTF-16, as RFC 8785 has it.
func sorted(v object) []string {
	names := []string{}
	for name := range v {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := utf16.Encode([]rune(names[i])), utf16.Encode([]rune(names[j]))
		for k := 0; k < len(a) && k < len(b); k++ {
			if a[k] != b[k] {
				return a[k] < b[k]
			}
		}
		return len(a) < len(b)
	})
	return names
}

func quote(out *bytes.Buffer, s string) {
	out.WriteByte('"')
	for _, r := range s {
		short := strings.IndexRune("\b\t\n\f\r\"\\", r)
		switch {
		case short >= 0:
			out.WriteByte('\\')
			out.WriteByte(`btnfr"\`[short])
		case r < 0x20:
			fmt.Fprintf(out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
}

// schema is a published JSON Schema: as much of the language as the published ones speak, and an unknown word is an error.
type schema struct{ root object }

func (s schema) check(at string, rule object, v interface{}) error {
	for _, word := range sorted(rule) {
		if err := s.word(at, rule, word, v); err != nil {
			return err
		}
	}
	return nil
}

func (s schema) word(at string, rule object, word string, v interface{}) error {
	no := func(what string) error { return fmt.Errorf("%s: %s", at, what) }
	named, isObject := v.(object)
	list, isList := v.([]interface{})
	text, isText := v.(string)
	switch word {
	case "$schema", "$id", "$defs", "title", "description", "default":
	case "$ref":
		def := strings.TrimPrefix(rule[word].(string), "#/$defs/")
		return s.check(at, s.root["$defs"].(object)[def].(object), v)
	case "type":
		if kind(v) != rule[word] {
			return no("not of type " + rule[word].(string))
		}
	case "const":
		if v != rule[word] {
			return no("another value than the one there is")
		}
	case "enum":
		if !contains(rule[word].([]interface{}), v) {
			return no("a value that is not listed")
		}
	case "pattern":
		if isText && !regexp.MustCompile(rule[word].(string)).MatchString(text) {
			return no("of another form")
		}
	case "anyOf", "oneOf":
		for _, each := range rule[word].([]interface{}) {
			if s.check(at, each.(object), v) == nil {
				return nil
			}
		}
		return no("none of the forms that there are")
	case "required":
		for _, name := range rule[word].([]interface{}) {
			if _, there := named[name.(string)]; isObject && !there {
				return no(name.(string) + " is missing")
			}
		}
	case "properties", "patternProperties", "propertyNames", "additionalProperties":
		if isObject {
			return s.members(at, rule, word, named)
		}
	case "items":
		for i, each := range list {
			if err := s.check(fmt.Sprintf("%s[%d]", at, i), rule[word].(object), each); err != nil {
				return err
			}
		}
	case "minItems", "maxItems":
		if isList && beyond(word, len(list), rule[word]) {
			return no("too many or too few")
		}
	case "minLength", "maxLength":
		if isText && beyond(word, len([]rune(text)), rule[word]) {
			return no("too long or too short")
		}
	case "minimum", "maximum", "exclusiveMinimum":
		if n, isNumber := v.(json.Number); isNumber && outside(word, n, rule[word].(json.Number)) {
			return no("a number too large or too small")
		}
	default:
		return no("the schema has a word that is not known here: " + word)
	}
	return nil
}

func (s schema) members(at string, rule object, word string, named object) error {
	properties, _ := rule["properties"].(object)
	for name, each := range named {
		below := at + "." + name
		known, there := properties[name].(object)
		switch {
		case word == "properties" && there:
			if err := s.check(below, known, each); err != nil {
				return err
			}
		case word == "propertyNames":
			if err := s.check(below, rule[word].(object), name); err != nil {
				return err
			}
		case word == "additionalProperties" && !there && rule[word] == false:
			return fmt.Errorf("%s is no field of it", below)
		case word == "additionalProperties" && !there && rule[word] != true:
			if err := s.check(below, rule[word].(object), each); err != nil {
				return err
			}
		}
	}
	return nil
}

func kind(v interface{}) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "integer"
	case string:
		return "string"
	case object:
		return "object"
	}
	return "array"
}

func contains(list []interface{}, v interface{}) bool {
	for _, each := range list {
		if each == v {
			return true
		}
	}
	return false
}

func beyond(word string, length int, limit interface{}) bool {
	n, _ := limit.(json.Number).Int64()
	return strings.HasPrefix(word, "min") && int64(length) < n || strings.HasPrefix(word, "max") && int64(length) > n
}

func outside(word string, n, limit json.Number) bool {
	a, err := n.Int64()
	b, _ := limit.Int64()
	return err != nil || word == "minimum" && a < b || word == "maximum" && a > b || word == "exclusiveMinimum" && a <= b
}
