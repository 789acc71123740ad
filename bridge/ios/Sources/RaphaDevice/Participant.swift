// One phone in one study: it looks at its own consent before every round, answers once under its masks, and keeps an account.

import Crypto
import Foundation

/// How a phone reaches its relay. It always calls; nobody calls it. One implementation a transport; a test has one of its own.
public protocol RelayLine: Sendable {
    /// The round that is open for this study, or nil.
    func openRound(study: String, device: String) async throws -> RoundCall?
    /// Hand in an advert; the task of the attempt, once all adverts are in.
    func advertise(_ envelope: Data) async throws -> Data
    func answer(_ envelope: Data) async throws
    func withdraw(_ envelope: Data) async throws
}

public struct RoundCall: Equatable, Sendable {
    public let round, attempt: Int

    public init(round: Int, attempt: Int) {
        self.round = round
        self.attempt = attempt
    }
}

/// What the person can look up later: when their phone took part in what, and among how many.
public struct RoundReceipt: Equatable, Sendable {
    public let studyDigest: String
    public let round, attempt, devices: Int
    public let answerDigest: String
    public let at: Date
}

public actor Participant {
    public private(set) var receipts: [RoundReceipt] = []
    public private(set) var isWithdrawn = false
    private let consent: Consent
    private let signer: DeviceSigner
    private let line: RelayLine
    private let row: @Sendable () async throws -> (features: [Double?], isCase: Bool)

    public init(
        consent: Consent, signer: DeviceSigner, line: RelayLine,
        row: @escaping @Sendable () async throws -> (features: [Double?], isCase: Bool)
    ) {
        self.consent = consent
        self.signer = signer
        self.line = line
        self.row = row
    }

    /// No, from the next round on. The phone keeps to it from this line on, whether or not the relay is reached.
    public func withdraw(now: Date = Date()) async throws {
        isWithdrawn = true
        let said = Withdrawal(consent: digest(consent.canonicalBytes), device: consent.device, at: now)
        try await line.withdraw(seal(said.canonicalBytes, with: signer))
    }

    /// Take part in the open round, if there is one. Throws `Refused` where the person's yes does not cover it.
    public func takePart(now: Date = Date()) async throws {
        try check(devices: consent.atLeastDevices, now: now)
        guard let call = try await line.openRound(study: consent.studyDigest, device: consent.device) else { return }
        let secret = Curve25519.KeyAgreement.PrivateKey()  // for this attempt alone; it is gone when this call returns
        let advert = said("advert", call, ["mask_key": .text(hex(secret.publicKey.rawRepresentation))])
        let task = try DeviceTask(JSONValue.parse(await line.advertise(seal(advert, with: signer))))
        let answer = try await answered(task, call, secret, now)
        try await line.answer(seal(answer, with: signer))
        receipts.append(
            RoundReceipt(
                studyDigest: task.studyDigest, round: task.round, attempt: task.attempt, devices: task.peers.count,
                answerDigest: digest(answer), at: now))
    }

    private func answered(
        _ task: DeviceTask, _ call: RoundCall, _ secret: Curve25519.KeyAgreement.PrivateKey, _ now: Date
    ) async throws -> Data {
        try check(devices: task.peers.count, now: now)
        var maskKeys: [String: Data] = [:]
        for peer in task.peers { maskKeys[peer.device] = peer.maskKey }
        guard task.studyDigest == consent.studyDigest, task.round == call.round, task.attempt == call.attempt,
            maskKeys.count == task.peers.count, maskKeys[consent.device] == secret.publicKey.rawRepresentation
        else { throw Refused.notThisPhonesRound }
        let own = try await row()
        var values = try Learning.computed(task, row: own.features, isCase: own.isCase)
        if task.work == .train {
            let deviation = Learning.noiseDeviation(task, atLeastDevices: consent.atLeastDevices)
            values = values.map { $0 + Learning.gauss(deviation) }
        }
        let context = MaskedSum.context(study: task.studyDigest, round: task.round, attempt: task.attempt)
        let masked = try MaskedSum.masked(
            MaskedSum.fixedPoint(values), mine: consent.device, secret: secret, maskKeys: maskKeys, context: context)
        return said("answer", call, ["masked": .list(masked.map { .integer(Int64($0)) })])
    }

    private func check(devices: Int, now: Date) throws {
        try consent.checkStands(
            study: consent.studyDigest, relay: consent.relay, devices: devices, now: now, withdrawn: isWithdrawn)
    }

    private func said(_ kind: String, _ call: RoundCall, _ more: [String: JSONValue]) -> Data {
        let always: [String: JSONValue] = [
            "kind": .text(kind), "study_digest": .text(consent.studyDigest), "round": .integer(Int64(call.round)),
            "attempt": .integer(Int64(call.attempt)), "device": .text(consent.device),
            "consent": .text(digest(consent.canonicalBytes)),
        ]
        return JSONValue.object(always.merging(more) { _, new in new }).canonicalBytes
    }
}
