// What a phone computes of its own row. As `tests/simulators/phone_learning.py`, number by number.

import Foundation

public struct Peer: Equatable, Sendable {
    public let device: String
    public let maskKey: Data
}

public struct DeviceTask: Equatable, Sendable {
    public enum Work: String, Sendable { case prepare, train, evaluate }

    public static let bins = 20
    static let farthest = 10.0

    public let studyDigest: String
    public let round, attempt, steps: Int
    public let work: Work
    public let low, high, mean, scale, weight: [Double]
    public let bias, learningRate, clip, noiseMultiplier: Double
    public let peers: [Peer]

    public init(_ json: JSONValue) throws {
        studyDigest = try json.string("study_digest")
        round = try json.int("round")
        attempt = try json.int("attempt")
        steps = try json.int("steps")
        guard let work = Work(rawValue: try json.string("do")), 1...100 ~= steps else { throw JSONFault.wrongType("do") }
        self.work = work
        low = try json.reals("low")
        high = try json.reals("high")
        mean = try json.reals("mean")
        scale = try json.reals("scale")
        weight = try json.reals("weight")
        bias = try json.real("bias")
        learningRate = try json.real("learning_rate")
        clip = try json.real("clip")
        noiseMultiplier = try json.real("noise_multiplier")
        peers = try json.items("peers").map { peer in
            guard let key = bytes(ofHex: try peer.string("mask_key")), key.count == 32 else {
                throw JSONFault.wrongType("mask_key")
            }
            return Peer(device: try peer.string("device"), maskKey: key)
        }
    }

    /// Whether the vectors of this task fit a row of so many features.
    func fits(_ features: Int) -> Bool {
        switch work {
        case .prepare: return low.count == features && high.count == features
        case .train, .evaluate:
            return mean.count == features && scale.count == features && weight.count == 2 * features
        }
    }
}

public enum Learning {
    public static func computed(_ task: DeviceTask, row: [Double?], isCase: Bool) throws -> [Double] {
        guard task.fits(row.count) else { throw JSONFault.wrongType("weight") }
        switch task.work {
        case .prepare: return prepared(task, row)
        case .train: return trained(task, row, isCase)
        case .evaluate: return placed(task, row, isCase)
        }
    }

    static func prepared(_ task: DeviceTask, _ row: [Double?]) -> [Double] {
        let found = row.indices.map { at -> Double in
            guard let value = row[at] else { return 0 }
            return min(1, max(0, (value - task.low[at]) / (task.high[at] - task.low[at])))
        }
        return row.map { $0 == nil ? 0.0 : 1.0 } + found + found.map { $0 * $0 }
    }

    static func inputs(_ task: DeviceTask, _ row: [Double?]) -> [Double] {
        let values = row.indices.map { at -> Double in
            guard let value = row[at] else { return 0 }
            return min(DeviceTask.farthest, max(-DeviceTask.farthest, (value - task.mean[at]) / task.scale[at]))
        }
        return values + row.map { $0 == nil ? 1.0 : 0.0 }
    }

    static func risk(_ weight: [Double], _ bias: Double, _ read: [Double]) -> Double {
        var score = bias
        for (w, x) in zip(weight, read) { score += w * x }
        return 1 / (1 + exp(-min(30, max(-30, score))))
    }

    static func trained(_ task: DeviceTask, _ row: [Double?], _ isCase: Bool) -> [Double] {
        let read = inputs(task, row)
        var weight = task.weight
        var bias = task.bias
        for _ in 0 ..< task.steps {
            let slope = task.learningRate * (risk(weight, bias, read) - (isCase ? 1 : 0))
            for at in weight.indices { weight[at] -= slope * read[at] }
            bias -= slope
        }
        var change = zip(weight, task.weight).map { $0 - $1 }
        change.append(bias - task.bias)
        let length = change.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > task.clip ? change.map { $0 * task.clip / length } : change
    }

    static func placed(_ task: DeviceTask, _ row: [Double?], _ isCase: Bool) -> [Double] {
        let share = risk(task.weight, task.bias, inputs(task, row)) * Double(DeviceTask.bins)
        var found = [Double](repeating: 0, count: 2 * DeviceTask.bins)
        found[min(DeviceTask.bins - 1, Int(share.rounded(.down))) + (isCase ? DeviceTask.bins : 0)] = 1
        return found
    }

    /// Of each number that one device adds: so many devices' noise together has `noiseMultiplier` times `clip`.
    public static func noiseDeviation(_ task: DeviceTask, atLeastDevices: Int) -> Double {
        task.noiseMultiplier * task.clip / Double(atLeastDevices).squareRoot()
    }

    /// Box and Muller, from the system's random source.
    static func gauss(_ deviation: Double) -> Double {
        if deviation == 0 { return 0 }
        let first = 1 - Double.random(in: 0 ..< 1)
        let second = Double.random(in: 0 ..< 1)
        return deviation * (-2 * log(first)).squareRoot() * cos(2 * .pi * second)
    }
}
