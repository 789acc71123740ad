// The device's P-256 key, and the envelope (DSSE v1) around what it says. As `rapha.proof.keys` and `rapha.proof.consent`.

import Crypto
import Foundation

public let deviceType = "application/vnd.rapha.device+json"

/// A key that signs. On a phone it lives in the Secure Enclave; `P256.Signing.PrivateKey` is for tests and other machines.
public protocol DeviceSigner: Sendable {
    var publicKey: P256.Signing.PublicKey { get }
    func signature(over message: Data) throws -> P256.Signing.ECDSASignature
}

extension P256.Signing.PrivateKey: DeviceSigner {
    public func signature(over message: Data) throws -> P256.Signing.ECDSASignature {
        try signature(for: message)
    }
}

/// SHA-256 of the SubjectPublicKeyInfo in DER, in hex.
public func keyID(_ key: P256.Signing.PublicKey) -> String {
    hex(SHA256.hash(data: key.derRepresentation))
}

public func digest(_ data: Data) -> String {
    "sha256:" + hex(SHA256.hash(data: data))
}

func hex<Bytes: Sequence>(_ bytes: Bytes) -> String where Bytes.Element == UInt8 {
    bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
}

func bytes(ofHex text: String) -> Data? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var data = Data(capacity: digits.count / 2)
    for at in stride(from: 0, to: digits.count, by: 2) {
        guard let byte = UInt8(String(decoding: digits[at..<at + 2], as: UTF8.self), radix: 16) else { return nil }
        data.append(byte)
    }
    return data
}

/// DSSE's pre-authentication encoding: the bytes that are signed.
public func preAuthentication(_ payload: Data, type: String = deviceType) -> Data {
    Data("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
}

/// The envelope of a record's canonical bytes, as canonical bytes itself.
public func seal(_ payload: Data, with signer: DeviceSigner) throws -> Data {
    let made = try lowS(signer.signature(over: preAuthentication(payload)))
    let signature = JSONValue.object([
        "keyid": .text(keyID(signer.publicKey)),
        "sig": .text(made.derRepresentation.base64EncodedString()),
    ])
    return JSONValue.object([
        "payload": .text(payload.base64EncodedString()),
        "payloadType": .text(deviceType),
        "signatures": .list([signature]),
    ]).canonicalBytes
}

private let order: [UInt8] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
]

/// S in the lower half of the group order, the one form that is taken: s becomes n - s where that is less.
func lowS(_ signature: P256.Signing.ECDSASignature) throws -> P256.Signing.ECDSASignature {
    let raw = [UInt8](signature.rawRepresentation)
    let s = Array(raw[32..<64])
    var other = [UInt8](repeating: 0, count: 32)
    var borrow = 0
    for place in stride(from: 31, through: 0, by: -1) {
        let difference = Int(order[place]) - Int(s[place]) - borrow
        borrow = difference < 0 ? 1 : 0
        other[place] = UInt8(truncatingIfNeeded: difference)
    }
    guard other.lexicographicallyPrecedes(s) else { return signature }
    return try P256.Signing.ECDSASignature(rawRepresentation: Data(raw[0..<32] + other))
}
