// A person's yes to one study, for a time; and no again. As `rapha.records.consent` and `rapha.proof.consent.check_stands`.

import Foundation

public enum Refused: Error, Equatable {
    case anotherStudy, anotherRelay, withdrawn, notYetGiven, ended, tooFewDevices, notThisPhonesRound
}

public struct Consent: Equatable, Sendable {
    public var studyDigest, relay, device, sentence: String
    public var modalities: [String]
    public var given, until: Date
    public var atLeastDevices: Int
    public var nonce: String

    public init(
        studyDigest: String, relay: String, device: String, sentence: String, modalities: [String], given: Date, until: Date,
        atLeastDevices: Int, nonce: String
    ) {
        self.studyDigest = studyDigest
        self.relay = relay
        self.device = device
        self.sentence = sentence
        self.modalities = modalities
        self.given = given
        self.until = until
        self.atLeastDevices = atLeastDevices
        self.nonce = nonce
    }

    public var canonicalBytes: Data {
        JSONValue.object([
            "kind": .text("consent"), "study_digest": .text(studyDigest), "relay": .text(relay), "device": .text(device),
            "sentence": .text(sentence), "modalities": .list(modalities.map(JSONValue.text)), "given": .text(moment(given)),
            "until": .text(moment(until)), "at_least_devices": .integer(Int64(atLeastDevices)), "nonce": .text(nonce),
        ]).canonicalBytes
    }

    /// Throws `Refused` where this yes does not cover a round of that study, in a sum of so many devices, now.
    public func checkStands(study: String, relay: String, devices: Int, now: Date, withdrawn: Bool) throws {
        if study != studyDigest { throw Refused.anotherStudy }
        if relay != self.relay { throw Refused.anotherRelay }
        if withdrawn { throw Refused.withdrawn }
        if now < given { throw Refused.notYetGiven }
        if now >= until { throw Refused.ended }
        if devices < atLeastDevices { throw Refused.tooFewDevices }
    }
}

public struct Withdrawal: Equatable, Sendable {
    public var consent, device: String
    public var at: Date

    public init(consent: String, device: String, at: Date) {
        self.consent = consent
        self.device = device
        self.at = at
    }

    public var canonicalBytes: Data {
        JSONValue.object([
            "kind": .text("withdrawal"), "consent": .text(consent), "device": .text(device), "at": .text(moment(at)),
        ]).canonicalBytes
    }
}

/// UTC, whole seconds: 2026-11-25T08:00:00Z.
func moment(_ date: Date) -> String {
    let writer = ISO8601DateFormatter()
    writer.formatOptions = [.withInternetDateTime]
    return writer.string(from: date)
}
