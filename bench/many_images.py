"""Made-up images with headers as large as those of real devices, and the race of our index with pydicom's over them."""

import random
import time
from datetime import date
from pathlib import Path

import numpy as np
from figure import Peer, figure_line

from rapha.cli.demo.made_up_frames import ENHANCED_MR, frame, group_item, with_undefined_lengths, write_enhanced
from rapha.cli.demo.made_up_scans import write_scan
from rapha.sources.dicom.headers import headers_of, read_headers
from rapha.sources.dicom.reading import by_pydicom
from rapha.sources.dicom.stacks import stacks_of
from rapha.sources.dicom.wanted import WANTED

RUNS, READ = 5, ("CT", "MR")
_SAMPLES = {"LO": "a few words here", "SH": "word", "CS": "WORD", "DS": "1.25", "IS": "12", "DA": "20150601", "TM": "093000",
            "UI": "1.2.840.10008.1", "ST": "a sentence of a device", "US": 3, "FD": 0.5}  # fmt: skip


def classic(folder: Path, files: int) -> list[Path]:
    """CT slices of 256 by 256, each with some 190 elements: 110 public, 70 private, and sequences without a length."""
    dice = random.Random(7)
    paths: list[Path] = []
    while len(paths) < files:
        paths += write_scan(folder / f"s{len(paths)}", "p", date(2015, 6, 1), np.zeros((50, 256, 256), np.int16), dice)
    for path in paths:
        _fill(path, 110, 70)
    return paths


def enhanced(folder: Path, files: int) -> list[Path]:
    """MR volumes of 28 frames, each frame with some ninety elements in sequences without a length: pydicom alone reads some forty a second,
    as many as of what a Siemens XA writes."""
    dice = random.Random(8)
    frames = [frame(n * 5.0, **_macros(n)) for n in range(28)]
    with_undefined_lengths(frames)
    paths = []
    for number in range(files):
        path = folder / f"e{number}.dcm"
        more = {"Modality": "MR", "SOPClassUID": ENHANCED_MR, "frames": frames}
        paths.append(write_enhanced(path, "p", date(2015, 6, 1), np.zeros((28, 64, 64), np.int16), dice, **more))
        _fill(path, 80, 20)
    return paths


def race(name: str, paths: list[Path], files_per_second: int) -> str:
    """The figure's line: both read every file's header and sort it into stacks, by turns, and must agree. Processor time: both are
    one process that waits for nothing, for the files have just been written, and others on the machine do not count."""
    ours, theirs, answers = [], [], set()
    for _ in range(RUNS):
        begun = time.process_time()
        mine = [header for path in paths for header in read_headers(path, READ)]
        stacks, refused = stacks_of(mine)
        ours.append(time.process_time() - begun)
        begun = time.process_time()
        peer = [header for path in paths for header in headers_of(path, by_pydicom(path, WANTED), READ)]
        stacks_of(peer)
        theirs.append(time.process_time() - begun)
        answers.add(mine == peer and not refused and len(stacks))
        print(f"{len(paths) / ours[-1]:,.0f} files/s, pydicom {len(paths) / theirs[-1]:,.0f}", flush=True)
    if len(answers) != 1 or False in answers:
        raise SystemExit("error: the two do not agree")
    peer_median = sorted(theirs)[RUNS // 2]
    return figure_line(name, ours, len(paths) / files_per_second, Peer("pydicom", peer_median))


def _fill(path: Path, public: int, private: int) -> None:
    """Add elements of the dictionary that nobody asked for, and a vendor's own."""
    import pydicom
    from pydicom.datadict import DicomDictionary

    found = pydicom.dcmread(path)
    groups = (0x0008, 0x0010, 0x0018, 0x0020, 0x0028, 0x0040)
    for tag, (vr, vm, *_) in sorted(DicomDictionary.items()):
        if public and tag >> 16 in groups and vr in _SAMPLES and vm == "1" and tag not in found and tag not in WANTED:
            found.add_new(tag, vr, _SAMPLES[vr])
            public -= 1
    block = found.private_block(0x0019, "A VENDOR", create=True)
    for number in range(private):
        block.add_new(number, "LO" if number % 3 else "OB", b"\1\2\3\4" if number % 3 == 0 else "a vendor's word")
    found.ReferencedImageSequence = [
        group_item({"ReferencedSOPClassUID": "1.2.3", "ReferencedSOPInstanceUID": f"1.2.{n}"}) for n in range(3)
    ]
    with_undefined_lengths([found])
    found.save_as(path)


def _macros(number: int) -> dict[str, dict[str, object]]:
    return {
        "FrameContentSequence": {"StackID": "1", "TemporalPositionIndex": 1, "FrameAcquisitionDateTime": "20150601093000",
                                 "FrameReferenceDateTime": "20150601093000", "FrameAcquisitionDuration": 2.5,
                                 "InStackPositionNumber": number + 1, "DimensionIndexValues": [1, number + 1], "FrameComments": "x"},
        "MREchoSequence": {"EffectiveEchoTime": 90.0},
        "MRTimingAndRelatedParametersSequence": {"RepetitionTime": "2000", "FlipAngle": "90", "EchoTrainLength": "9", "RFEchoTrainLength": 9},
        "MRFOVGeometrySequence": {"InPlanePhaseEncodingDirection": "ROW", "MRAcquisitionFrequencyEncodingSteps": 64, "PercentSampling": "100"},
        "MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "M", "NONE"], "PixelPresentation": "MONOCHROME",
                                     "VolumetricProperties": "VOLUME", "ComplexImageComponent": "MAGNITUDE"},
        "MRAveragesSequence": {"NumberOfAverages": 1.0},
        "MRImagingModifierSequence": {"MagnetizationTransfer": "NONE", "BloodSignalNulling": "NO", "Tagging": "NONE",
                                      "TransmitterFrequency": 63.8, "PixelBandwidth": "120"},
        "MRReceiveCoilSequence": {"ReceiveCoilName": "a coil", "ReceiveCoilType": "MULTICOIL"},
        "MRTransmitCoilSequence": {"TransmitCoilName": "a coil", "TransmitCoilType": "BODY"},
        "FrameAnatomySequence": {"FrameLaterality": "U", "AnatomicRegionSequence": {"CodeValue": "T-A0100", "CodingSchemeDesignator": "SRT",
                                 "CodeMeaning": "Brain"}},
        "PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        "PixelMeasuresSequence": {"PixelSpacing": [4, 4], "SliceThickness": 5},
        "FrameVOILUTSequence": {"WindowCenter": "40", "WindowWidth": "400", "WindowCenterWidthExplanation": "usual"},
        "PixelValueTransformationSequence": {"RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "US"},
    }  # fmt: skip
