// The golden files that Python wrote: tests/vectors/devices, from the root of the repository.

import Crypto
import Foundation
import XCTest

@testable import RaphaDevice

final class VectorTests: XCTestCase {
    private func vector(_ name: String) throws -> JSONValue {
        let root = (0 ..< 5).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        return try JSONValue.parse(Data(contentsOf: root.appendingPathComponent("tests/vectors/devices/device-\(name).json")))
    }

    private func base64(_ json: JSONValue, _ key: String) throws -> Data {
        try XCTUnwrap(Data(base64Encoded: json.string(key)))
    }

    private func words(_ json: JSONValue, _ key: String) throws -> [UInt32] {
        try json.items(key).map { item in
            guard case .integer(let value) = item else { throw JSONFault.wrongType(key) }
            return UInt32(value)
        }
    }

    func testCanonicalBytes() throws {
        guard case .list(let cases) = try vector("canonical") else { return XCTFail("no list") }
        XCTAssertFalse(cases.isEmpty)
        for one in cases {
            XCTAssertEqual(try one.member("value").canonicalBytes, try base64(one, "bytes"))
        }
    }

    func testConsentIsTheSameBytesAndItsSignatureFits() throws {
        let json = try vector("consent")
        let record = try json.member("record")
        let reader = ISO8601DateFormatter()
        let consent = Consent(
            studyDigest: try record.string("study_digest"), relay: try record.string("relay"), device: try record.string("device"),
            sentence: try record.string("sentence"), modalities: ["wearables"],
            given: try XCTUnwrap(reader.date(from: record.string("given"))),
            until: try XCTUnwrap(reader.date(from: record.string("until"))),
            atLeastDevices: try record.int("at_least_devices"), nonce: try record.string("nonce"))
        XCTAssertEqual(consent.canonicalBytes, try base64(json, "bytes"))
        XCTAssertEqual(digest(consent.canonicalBytes), try json.string("digest"))
        XCTAssertEqual(preAuthentication(consent.canonicalBytes), try base64(json, "pae"))

        let key = try P256.Signing.PrivateKey(rawRepresentation: base64(json, "private_scalar"))
        XCTAssertEqual(keyID(key.publicKey), try json.string("keyid"))
        let envelope = try json.member("envelope")
        let signed = try P256.Signing.ECDSASignature(derRepresentation: base64(envelope.items("signatures")[0], "sig"))
        XCTAssertTrue(key.publicKey.isValidSignature(signed, for: preAuthentication(consent.canonicalBytes)))
    }

    func testOwnSignaturesHaveALowS() throws {
        let key = P256.Signing.PrivateKey()
        for number in 0 ..< 20 {
            let message = Data("message \(number)".utf8)
            let made = try lowS(key.signature(for: message))
            XCTAssertLessThan([UInt8](made.rawRepresentation)[32], 0x80)
            XCTAssertTrue(key.publicKey.isValidSignature(made, for: message))
        }
    }

    func testMasks() throws {
        let json = try vector("masks")
        let context = MaskedSum.context(
            study: try json.string("study_digest"), round: try json.int("round"), attempt: try json.int("attempt"))
        XCTAssertEqual(context, try base64(json, "context"))
        var keys: [String: Data] = [:]
        for peer in try json.items("peers") { keys[try peer.string("device")] = bytes(ofHex: try peer.string("mask_key")) }
        let mine = try json.string("device")
        let secret = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: base64(json, "secret"))
        let near = try MaskedSum.neighbours(Array(keys.keys), mine: mine, context: context)
        XCTAssertEqual(near.map(JSONValue.text), try json.items("neighbours"))
        let other = try XCTUnwrap(keys[json.string("stream_with")])
        let wanted = try words(json, "stream")
        XCTAssertEqual(try MaskedSum.stream(secret, with: other, context: context, words: wanted.count), wanted)
        let own = try MaskedSum.fixedPoint(json.reals("values"))
        XCTAssertEqual(own, try words(json, "words"))
        let masked = try MaskedSum.masked(own, mine: mine, secret: secret, maskKeys: keys, context: context)
        XCTAssertEqual(masked, try words(json, "masked"))
    }

    func testLocalUpdates() throws {
        let json = try vector("update")
        let row: [Double?] = try json.items("row").map { item in
            if case .text(let text) = item { return Double(text) }
            return nil
        }
        for work in ["prepare", "train", "evaluate"] {
            let task = try DeviceTask(json.member("tasks").member(work))
            let values = try Learning.computed(task, row: row, isCase: true)
            for (found, wanted) in zip(values, try json.member("values").reals(work)) {
                XCTAssertEqual(found, wanted, accuracy: 1e-12)
            }
            XCTAssertEqual(try MaskedSum.fixedPoint(values), try words(json.member("words"), work))
        }
    }
}
