// HealthKit, on an iPhone alone: means of the last days for a row, and a wake-up when there is more. Nothing is written, nothing leaves.

#if canImport(HealthKit)
import Foundation
import HealthKit

@available(iOS 16.0, watchOS 9.0, *)
public struct HealthRows: Sendable {
    private let store: HKHealthStore
    private let calendar: Calendar

    public init(store: HKHealthStore = HKHealthStore(), calendar: Calendar = .current) {
        self.store = store
        self.calendar = calendar
    }

    public static let asked: Set<HKObjectType> = [
        HKQuantityType(.restingHeartRate), HKQuantityType(.heartRateVariabilitySDNN), HKQuantityType(.stepCount),
        HKCategoryType(.sleepAnalysis),
    ]

    /// The person is asked by iOS itself, type by type; a type that was denied reads as empty, which is missing.
    public func authorize() async throws {
        try await store.requestAuthorization(toShare: [], read: Self.asked)
    }

    /// The mean over the last days of what was measured; nil where nothing was.
    public func mean(_ kind: HKQuantityTypeIdentifier, unit: HKUnit, days: Int, now: Date) async throws -> Double? {
        let figures = try await daily(kind, options: .discreteAverage, days: days, now: now)
        let values = figures.compactMap { $0.averageQuantity()?.doubleValue(for: unit) }
        return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    /// The mean of daily sums, Watch and iPhone merged by HealthKit itself; nil where nothing was counted.
    public func meanDailySum(_ kind: HKQuantityTypeIdentifier, unit: HKUnit, days: Int, now: Date) async throws -> Double? {
        let figures = try await daily(kind, options: .cumulativeSum, days: days, now: now)
        let values = figures.compactMap { $0.sumQuantity()?.doubleValue(for: unit) }
        return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    private func daily(
        _ kind: HKQuantityTypeIdentifier, options: HKStatisticsOptions, days: Int, now: Date
    ) async throws -> [HKStatistics] {
        let end = calendar.startOfDay(for: now)
        guard let start = calendar.date(byAdding: .day, value: -days, to: end) else { return [] }
        let span = HKQuery.predicateForSamples(withStart: start, end: end, options: .strictStartDate)
        let query = HKStatisticsCollectionQueryDescriptor(
            predicate: .quantitySample(type: HKQuantityType(kind), predicate: span), options: options, anchorDate: end,
            intervalComponents: DateComponents(day: 1))
        return try await query.result(for: store).statistics()
    }

    /// What is new since the anchor, and the anchor from which to ask next time.
    public func added(
        _ kind: HKQuantityTypeIdentifier, since anchor: HKQueryAnchor?
    ) async throws -> (samples: [HKQuantitySample], anchor: HKQueryAnchor) {
        let query = HKAnchoredObjectQueryDescriptor(
            predicates: [.quantitySample(type: HKQuantityType(kind))], anchor: anchor)
        let found = try await query.result(for: store)
        return (found.addedSamples, found.newAnchor)
    }

    /// iOS wakes the app when there is more, at most hourly. `wake` gets a closure to call when it is done.
    public func wakeOnChange(
        _ kind: HKQuantityTypeIdentifier, wake: @escaping @Sendable (_ done: @escaping () -> Void) -> Void
    ) async throws {
        let type = HKQuantityType(kind)
        store.execute(
            HKObserverQuery(sampleType: type, predicate: nil) { _, completion, error in
                if error == nil { wake(completion) } else { completion() }
            })
        try await store.enableBackgroundDelivery(for: type, frequency: .hourly)
    }
}
#endif
