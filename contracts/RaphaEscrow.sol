// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

interface IRaphaAnchor {
    function rootAt(bytes32 origin, uint64 size) external view returns (bytes32);
}

/// Pays for computing, against a receipt. A funder locks coin for one study at one node; it goes to the payees once the node's
/// receipt is shown to be in a log whose root is anchored, or back to the funder after the deadline. One of the two, once.
/// There is no owner, no upgrade, no pause. Whoever calls, coin goes only to accounts that the deposit's terms name.
contract RaphaEscrow is ReentrancyGuard {
    /// What funder and node agreed on; the deposit's name is the hash of all of it, so none of it can be changed.
    struct Terms {
        bytes32 study; // SHA-256 of the study
        bytes32 origin; // SHA-256 of the log's name
        address funder;
        address referee; // 0: nobody can dispute
        address[] payees; // the custodian first
        uint16[] shares; // of PARTS each, in the order of the payees
        uint256 amount; // wei
        uint64 deadline; // the last second at which a receipt can be presented
        uint32 window; // seconds in which the funder may dispute
        uint32 ruling; // seconds that the referee then has; if they say nothing, the payees are paid
        bytes32 keyX; // the node's P-256 key
        bytes32 keyY;
        bytes32 salt; // makes two deposits of else the same terms two
    }

    /// A receipt as the log holds it, its place, and the node's word that it is for this deposit. S of both in the lower half.
    struct Evidence {
        bytes32 receipt; // SHA-256 of the DSSE bytes that were signed
        bytes32 receiptR;
        bytes32 receiptS;
        bytes32 voucherR;
        bytes32 voucherS;
        uint64 index;
        uint64 size; // of an anchored tree
        bytes32[] path; // RFC 6962, from the leaf upwards
    }

    enum State {
        None,
        Held,
        Presented,
        Disputed,
        Paid,
        Refunded
    }

    struct Deposit {
        State state;
        uint64 until; // the end of the window, then of the ruling
    }

    uint256 public constant PARTS = 10_000;
    uint256 public constant MAX_PAYEES = 8;
    uint256 public constant MAX_AHEAD = 731 days;
    uint256 public constant MAX_WAIT = 90 days;

    bytes32 public constant TERMS_TYPE = keccak256(
        "Terms(bytes32 study,bytes32 origin,address funder,address referee,address[] payees,uint16[] shares,uint256 amount,uint64 deadline,uint32 window,uint32 ruling,bytes32 keyX,bytes32 keyY,bytes32 salt)"
    );
    bytes32 public constant VOUCHER_TYPE = keccak256("Voucher(bytes32 deposit,bytes32 receipt)");
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// The contract whose roots count, for good.
    IRaphaAnchor public immutable anchor;

    mapping(bytes32 => Deposit) public deposits;

    /// A receipt with its key => it was presented once, and cannot be again.
    mapping(bytes32 => bool) public presented;

    /// What an account may have paid out to it.
    mapping(address => uint256) public owed;

    event Locked(bytes32 indexed id, bytes32 indexed study, address indexed funder, Terms terms);
    event Presented(bytes32 indexed id, bytes32 receipt, uint64 until);
    event Disputed(bytes32 indexed id, uint64 until);
    event Paid(bytes32 indexed id);
    event Refunded(bytes32 indexed id);
    event Withdrawn(address indexed account, uint256 amount);

    error NoAnchor();
    error NotTheFunder();
    error NotTheReferee();
    error WrongAmount();
    error WrongTime();
    error WrongReferee();
    error WrongPayees();
    error WrongKey();
    error NotIn(State wanted);
    error TooEarly();
    error TooLate();
    error AlreadyPresented();
    error NotVouched();
    error NotSigned();
    error NotAnchored();
    error NotLogged();
    error NothingOwed();
    error NotTaken();

    constructor(IRaphaAnchor anchor_) {
        if (address(anchor_).code.length == 0) revert NoAnchor();
        anchor = anchor_;
    }

    /// Lock `terms.amount`, sent along. Returns the deposit's name.
    function lock(Terms calldata terms) external payable returns (bytes32 id) {
        if (msg.sender != terms.funder) revert NotTheFunder();
        if (terms.amount == 0) revert WrongAmount();
        if (msg.value != terms.amount) revert WrongAmount();
        if (terms.deadline <= block.timestamp) revert WrongTime();
        if (terms.deadline > block.timestamp + MAX_AHEAD) revert WrongTime();
        if (terms.window > MAX_WAIT) revert WrongTime();
        if (terms.ruling > MAX_WAIT) revert WrongTime();
        if ((terms.referee == address(0)) != (terms.window == 0)) revert WrongReferee();
        if ((terms.referee == address(0)) != (terms.ruling == 0)) revert WrongReferee();
        if (terms.referee == terms.funder) revert WrongReferee();
        if (!P256.isValidPublicKey(terms.keyX, terms.keyY)) revert WrongKey();
        _checkPayees(terms.payees, terms.shares);
        id = idOf(terms);
        _move(id, State.None, State.Held);
        emit Locked(id, terms.study, terms.funder, terms);
    }

    /// Show the receipt, not after the deadline. Anybody may: the node's word binds it to this deposit.
    function present(Terms calldata terms, Evidence calldata shown) external {
        bytes32 id = idOf(terms);
        _move(id, State.Held, State.Presented);
        if (block.timestamp > terms.deadline) revert TooLate();
        bytes32 once = keccak256(abi.encode(shown.receipt, terms.keyX, terms.keyY));
        if (presented[once]) revert AlreadyPresented();
        presented[once] = true;
        // 1. The node says that this receipt is for this deposit, here and on no other chain.
        bytes32 said = voucherHash(id, shown.receipt);
        if (!P256.verify(said, shown.voucherR, shown.voucherS, terms.keyX, terms.keyY)) revert NotVouched();
        // 2. The same key signed the receipt.
        if (!P256.verify(shown.receipt, shown.receiptR, shown.receiptS, terms.keyX, terms.keyY)) revert NotSigned();
        // 3. The log that the terms name has a root of that size on this chain, and the receipt is in the tree under it.
        bytes32 root = anchor.rootAt(terms.origin, shown.size);
        if (root == 0) revert NotAnchored();
        bytes32 leaf = sha256(bytes.concat(hex"00", entryOf(shown, terms.keyX, terms.keyY)));
        if (_rootOf(leaf, shown.index, shown.size, shown.path) != root) revert NotLogged();
        uint64 until = uint64(block.timestamp) + terms.window;
        deposits[id].until = until;
        emit Presented(id, shown.receipt, until);
        if (terms.window == 0) _pay(id, State.Presented, terms);
    }

    /// The funder's objection, within the window: from then on the referee has a while to decide.
    function dispute(Terms calldata terms) external {
        bytes32 id = idOf(terms);
        if (msg.sender != terms.funder) revert NotTheFunder();
        _move(id, State.Presented, State.Disputed);
        if (block.timestamp >= deposits[id].until) revert TooLate();
        uint64 until = uint64(block.timestamp) + terms.ruling;
        deposits[id].until = until;
        emit Disputed(id, until);
    }

    /// The referee's word: the payees are paid, or the funder has it back.
    function rule(Terms calldata terms, bool pays) external {
        bytes32 id = idOf(terms);
        if (msg.sender != terms.referee) revert NotTheReferee();
        if (block.timestamp >= deposits[id].until) revert TooLate();
        if (pays) _pay(id, State.Disputed, terms);
        else _giveBack(id, State.Disputed, terms);
    }

    /// Credit the payees, once nobody can object any more. Anybody may.
    function settle(Terms calldata terms) external {
        bytes32 id = idOf(terms);
        Deposit memory found = deposits[id];
        if (block.timestamp < found.until) revert TooEarly();
        _pay(id, found.state == State.Disputed ? State.Disputed : State.Presented, terms);
    }

    /// Credit the funder, after the deadline, where no receipt was presented. Anybody may.
    function refund(Terms calldata terms) external {
        if (block.timestamp <= terms.deadline) revert TooEarly();
        _giveBack(idOf(terms), State.Held, terms);
    }

    /// Send an account what it is owed: to it and to nobody else, whoever calls.
    function withdraw(address payable account) external nonReentrant {
        uint256 amount = owed[account];
        if (amount == 0) revert NothingOwed();
        owed[account] = 0;
        (bool taken,) = account.call{value: amount}("");
        if (!taken) revert NotTaken();
        emit Withdrawn(account, amount);
    }

    /// The name of a deposit: EIP-712's hash of its terms.
    function idOf(Terms calldata terms) public pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                abi.encode(
                    TERMS_TYPE,
                    terms.study,
                    terms.origin,
                    terms.funder,
                    terms.referee,
                    keccak256(abi.encodePacked(terms.payees)),
                    keccak256(abi.encodePacked(terms.shares))
                ),
                abi.encode(
                    terms.amount, terms.deadline, terms.window, terms.ruling, terms.keyX, terms.keyY, terms.salt
                )
            )
        );
    }

    /// What the node signs (EIP-712), so that a receipt pays this deposit in this contract on this chain.
    function voucherHash(bytes32 id, bytes32 receipt) public view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPE, keccak256("RaphaEscrow"), keccak256("1"), block.chainid, address(this))
        );
        return keccak256(bytes.concat(hex"1901", domain, keccak256(abi.encode(VOUCHER_TYPE, id, receipt))));
    }

    /// The log's entry for a receipt: Rekor's hashedrekord/0.0.2 in its canonical form (RFC 8785).
    function entryOf(Evidence calldata shown, bytes32 keyX, bytes32 keyY) public pure returns (bytes memory) {
        bytes memory r = _integer(shown.receiptR);
        bytes memory s = _integer(shown.receiptS);
        bytes memory signature = bytes.concat(hex"30", bytes1(uint8(r.length + s.length)), r, s);
        bytes memory key =
            bytes.concat(hex"3059301306072a8648ce3d020106082a8648ce3d03010703420004", keyX, keyY);
        return bytes.concat(
            '{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":"',
            bytes(Base64.encode(bytes.concat(shown.receipt))),
            '"},"signature":{"content":"',
            bytes(Base64.encode(signature)),
            '","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"',
            bytes(Base64.encode(key)),
            '"}}}}}}'
        );
    }

    function _checkPayees(address[] calldata payees, uint16[] calldata shares) private pure {
        if (payees.length > MAX_PAYEES) revert WrongPayees();
        if (payees.length != shares.length) revert WrongPayees();
        uint256 parts = 0;
        for (uint256 place = 0; place < payees.length; ++place) {
            if (payees[place] == address(0)) revert WrongPayees();
            if (shares[place] == 0) revert WrongPayees();
            parts += shares[place];
        }
        if (parts != PARTS) revert WrongPayees();
    }

    /// The only place where a deposit's state changes: from the one named, or not at all.
    function _move(bytes32 id, State from, State to) private {
        if (deposits[id].state != from) revert NotIn(from);
        deposits[id].state = to;
    }

    /// What does not divide is the custodian's.
    function _pay(bytes32 id, State from, Terms calldata terms) private {
        _move(id, from, State.Paid);
        uint256 rest = terms.amount;
        for (uint256 place = 1; place < terms.payees.length; ++place) {
            uint256 part = (terms.amount / PARTS) * terms.shares[place] + ((terms.amount % PARTS) * terms.shares[place]) / PARTS;
            owed[terms.payees[place]] += part;
            rest -= part;
        }
        owed[terms.payees[0]] += rest;
        emit Paid(id);
    }

    function _giveBack(bytes32 id, State from, Terms calldata terms) private {
        _move(id, from, State.Refunded);
        owed[terms.funder] += terms.amount;
        emit Refunded(id);
    }

    /// The one root under which the path shows the leaf at that place (RFC 9162, 2.1.3.2).
    function _rootOf(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata path) private pure returns (bytes32) {
        if (index >= size) revert NotLogged();
        uint64 place = index;
        uint64 last = size - 1;
        bytes32 found = leaf;
        for (uint256 step = 0; step < path.length; ++step) {
            if (last == 0) revert NotLogged();
            if (place & 1 == 1 || place == last) {
                found = sha256(bytes.concat(hex"01", path[step], found));
                while (place & 1 == 0 && place != 0) {
                    place >>= 1;
                    last >>= 1;
                }
            } else {
                found = sha256(bytes.concat(hex"01", found, path[step]));
            }
            place >>= 1;
            last >>= 1;
        }
        if (last != 0) revert NotLogged();
        return found;
    }

    /// A number from 1 on as DER's INTEGER, in its shortest form.
    function _integer(bytes32 value) private pure returns (bytes memory der) {
        uint256 number = uint256(value);
        uint256 length = 1;
        while (length < 33 && number >> (8 * length - 1) != 0) ++length;
        if (length == 33) return bytes.concat(hex"022100", value);
        der = bytes.concat(hex"02", bytes1(uint8(length)), bytes32(number << (256 - 8 * length)));
        assembly ("memory-safe") {
            mstore(der, add(length, 2))
        }
    }
}
