// A JSON value, and its one form as bytes (RFC 8785). Reals travel as texts, so no float is ever written.

import Foundation

public indirect enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])
}

public enum JSONFault: Error, Equatable {
    case missing(String)
    case wrongType(String)
}

extension JSONValue: Decodable {
    public init(from decoder: Decoder) throws {
        let one = try decoder.singleValueContainer()
        if one.decodeNil() {
            self = .null
        } else if let value = try? one.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? one.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? one.decode(String.self) {
            self = .text(value)
        } else if let value = try? one.decode([JSONValue].self) {
            self = .list(value)
        } else {
            self = .object(try one.decode([String: JSONValue].self))
        }
    }

    public static func parse(_ data: Data) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: data)
    }
}

extension JSONValue {
    /// RFC 8785: keys in the order of their UTF-16 code units, no white space, the shortest escapes.
    public var canonicalBytes: Data {
        var text = ""
        write(to: &text)
        return Data(text.utf8)
    }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        case .text(let value): JSONValue.quote(value, to: &text)
        case .list(let values):
            text += "["
            for (place, value) in values.enumerated() {
                if place > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            let keys = members.keys.sorted { $0.utf16.lexicographicallyPrecedes($1.utf16) }
            for (place, key) in keys.enumerated() {
                if place > 0 { text += "," }
                JSONValue.quote(key, to: &text)
                text += ":"
                members[key]!.write(to: &text)
            }
            text += "}"
        }
    }

    private static func quote(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar.value {
            case 0x22: text += "\\\""
            case 0x5C: text += "\\\\"
            case 0x08: text += "\\b"
            case 0x09: text += "\\t"
            case 0x0A: text += "\\n"
            case 0x0C: text += "\\f"
            case 0x0D: text += "\\r"
            case 0..<0x20:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

extension JSONValue {
    public func member(_ key: String) throws -> JSONValue {
        guard case .object(let members) = self, let value = members[key] else { throw JSONFault.missing(key) }
        return value
    }

    public func string(_ key: String) throws -> String {
        guard case .text(let value) = try member(key) else { throw JSONFault.wrongType(key) }
        return value
    }

    public func int(_ key: String) throws -> Int {
        guard case .integer(let value) = try member(key), let narrow = Int(exactly: value) else {
            throw JSONFault.wrongType(key)
        }
        return narrow
    }

    /// A real, written as a text. What is not finite is none.
    public func real(_ key: String) throws -> Double {
        guard let value = Double(try string(key)), value.isFinite else { throw JSONFault.wrongType(key) }
        return value
    }

    public func items(_ key: String) throws -> [JSONValue] {
        guard case .list(let values) = try member(key) else { throw JSONFault.wrongType(key) }
        return values
    }

    public func reals(_ key: String) throws -> [Double] {
        try items(key).map { item in
            guard case .text(let text) = item, let value = Double(text), value.isFinite else {
                throw JSONFault.wrongType(key)
            }
            return value
        }
    }
}
