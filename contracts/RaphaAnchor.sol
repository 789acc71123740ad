// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The root of a public log, for each of its sizes: written once, by one publisher, sizes only ever growing.
/// Whoever deploys names the publisher for good; there is no owner, no upgrade and no way to take a root back.
/// A lost or stolen publisher's key means another contract, whose address has to be made known anew.
contract RaphaAnchor {
    /// The one account that may anchor here.
    address public immutable publisher;

    /// SHA-256 of a log's origin => the largest size that is anchored; 0 where none is.
    mapping(bytes32 => uint64) public largest;

    /// SHA-256 of a log's origin => size => root; 0 where none is.
    mapping(bytes32 => mapping(uint64 => bytes32)) public rootAt;

    event Anchored(bytes32 indexed origin, uint64 indexed size, bytes32 root);

    error NotThePublisher(address sender);
    error NotLarger(uint64 largest, uint64 size);
    error NoRoot();

    constructor(address publisher_) {
        publisher = publisher_;
    }

    /// Write down that the log had `root` at `size`, which must be larger than every size before.
    function anchor(bytes32 origin, uint64 size, bytes32 root) external {
        if (msg.sender != publisher) revert NotThePublisher(msg.sender);
        if (root == 0) revert NoRoot();
        uint64 before = largest[origin];
        if (size <= before) revert NotLarger(before, size);
        largest[origin] = size;
        rootAt[origin][size] = root;
        emit Anchored(origin, size, root);
    }
}
