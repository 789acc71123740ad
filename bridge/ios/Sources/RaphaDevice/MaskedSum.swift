// This device's part of a sum that only all of them together reveal. As `rapha.proof.masked_sum`, which says why.

import Crypto
import Foundation

public enum MaskedSum {
    public static let neighboursInAll = 10
    static let point = 65_536.0
    static let largest = 32_768.0
    static let info = Data("rapha masked sum v1".utf8)

    public enum Fault: Error, Equatable {
        case notAPart, notInItsRound, noKey
    }

    public static func fixedPoint(_ values: [Double]) throws -> [UInt32] {
        try values.map { value in
            guard value.isFinite, abs(value) < largest else { throw Fault.notAPart }
            return UInt32(truncatingIfNeeded: Int64((value * point + 0.5).rounded(.down)))
        }
    }

    public static func context(study: String, round: Int, attempt: Int) -> Data {
        JSONValue.object([
            "attempt": .integer(Int64(attempt)), "round": .integer(Int64(round)), "study": .text(study),
        ]).canonicalBytes
    }

    /// Those on the ring, in the order of SHA-256(context, device), whose streams this device adds or takes away.
    public static func neighbours(_ devices: [String], mine: String, context: Data) throws -> [String] {
        guard Set(devices).count == devices.count else { throw Fault.notInItsRound }
        let placed = devices.map { (name: $0, place: Data(SHA256.hash(data: context + Data($0.utf8)))) }
        let ring = placed.sorted { $0.place.lexicographicallyPrecedes($1.place) }.map { $0.name }
        guard let at = ring.firstIndex(of: mine) else { throw Fault.notInItsRound }
        let size = ring.count
        let reach = min(neighboursInAll / 2, (size - 1) / 2)
        guard reach > 0 else { return [] }
        let steps = Array(-reach ..< 0) + Array(1 ... reach)
        return steps.map { ring[((at + $0) % size + size) % size] }
    }

    /// The words that two neighbours share.
    public static func stream(
        _ secret: Curve25519.KeyAgreement.PrivateKey, with other: Data, context: Data, words: Int
    ) throws -> [UInt32] {
        let shared = try secret.sharedSecretFromKeyAgreement(with: .init(rawRepresentation: other))
        let key = shared.hkdfDerivedSymmetricKey(
            using: SHA256.self, salt: Data(SHA256.hash(data: context)), sharedInfo: info, outputByteCount: 32)
        var made: [UInt8] = []
        for block in 0 ..< UInt64((words + 7) / 8) {
            let counter = (0 ..< 8).map { UInt8(truncatingIfNeeded: block >> (56 - 8 * UInt64($0))) }
            made += Array(HMAC<SHA256>.authenticationCode(for: Data(counter), using: key))
        }
        return (0 ..< words).map { word in
            made[4 * word ..< 4 * word + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
    }

    public static func masked(
        _ words: [UInt32], mine: String, secret: Curve25519.KeyAgreement.PrivateKey, maskKeys: [String: Data], context: Data
    ) throws -> [UInt32] {
        var sent = words
        for other in try neighbours(Array(maskKeys.keys), mine: mine, context: context) {
            guard let key = maskKeys[other] else { throw Fault.noKey }
            let shared = try stream(secret, with: key, context: context, words: words.count)
            for place in sent.indices {
                sent[place] = mine < other ? sent[place] &+ shared[place] : sent[place] &- shared[place]
            }
        }
        return sent
    }
}
