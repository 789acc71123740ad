// swift-tools-version:5.9
import PackageDescription

let package = Package(
    name: "RaphaDevice",
    platforms: [.iOS(.v16), .macOS(.v13), .watchOS(.v9)],
    products: [
        .library(name: "RaphaDevice", targets: ["RaphaDevice"]),
        .library(name: "RaphaHealth", targets: ["RaphaHealth"]),
    ],
    dependencies: [.package(url: "https://github.com/apple/swift-crypto.git", from: "3.0.0")],
    targets: [
        .target(name: "RaphaDevice", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "RaphaHealth", dependencies: ["RaphaDevice"]),
        .testTarget(name: "RaphaDeviceTests", dependencies: ["RaphaDevice"]),
    ]
)
