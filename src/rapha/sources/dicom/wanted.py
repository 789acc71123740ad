"""Which elements of a header are read at all: a tree of tags, with the value representation the standard's dictionary gives them."""

from typing import NamedTuple


class Element(NamedTuple):
    """One element that is read. `vr` is that of PS3.6; of a sequence (SQ), `inside` says what is read of each item."""

    name: str
    vr: str
    inside: "dict[int, Element] | None" = None


Tree = dict[int, Element]


def _tree(*elements: tuple[int, str, str] | tuple[int, str, Tree]) -> Tree:
    return {
        tag: Element(name, kind) if isinstance(kind, str) else Element(name, "SQ", kind) for tag, name, kind in elements
    }


_FRAME: Tree = _tree(
    (0x00209113, "PlanePositionSequence", _tree((0x00200032, "ImagePositionPatient", "DS"))),
    (0x00209116, "PlaneOrientationSequence", _tree((0x00200037, "ImageOrientationPatient", "DS"))),
    (0x00289110, "PixelMeasuresSequence", _tree((0x00280030, "PixelSpacing", "DS"))),
    (
        0x00289145,
        "PixelValueTransformationSequence",
        _tree((0x00281052, "RescaleIntercept", "DS"), (0x00281053, "RescaleSlope", "DS")),
    ),
    (
        0x00209111,
        "FrameContentSequence",
        _tree(
            (0x00189074, "FrameAcquisitionDateTime", "DT"),
            (0x00209056, "StackID", "SH"),
            (0x00209128, "TemporalPositionIndex", "UL"),
        ),
    ),
    (0x00189114, "MREchoSequence", _tree((0x00189082, "EffectiveEchoTime", "FD"))),
    (
        0x00189117,
        "MRDiffusionSequence",
        _tree(
            (
                0x00189076,
                "DiffusionGradientDirectionSequence",
                _tree((0x00189089, "DiffusionGradientOrientation", "FD")),
            ),
            (0x00189087, "DiffusionBValue", "FD"),
        ),
    ),
    (0x00189226, "MRImageFrameTypeSequence", _tree((0x00089007, "FrameType", "CS"))),
    (0x00189329, "CTImageFrameTypeSequence", _tree((0x00089007, "FrameType", "CS"))),
)
_DOSE: Tree = _tree(
    (0x00181072, "RadiopharmaceuticalStartTime", "TM"),
    (0x00181074, "RadionuclideTotalDose", "DS"),
    (0x00181075, "RadionuclideHalfLife", "DS"),
    (0x00181078, "RadiopharmaceuticalStartDateTime", "DT"),
)
_REGION: Tree = _tree(
    (0x00186012, "RegionSpatialFormat", "US"),
    (0x00186024, "PhysicalUnitsXDirection", "US"),
    (0x00186026, "PhysicalUnitsYDirection", "US"),
    (0x0018602C, "PhysicalDeltaX", "FD"),
    (0x0018602E, "PhysicalDeltaY", "FD"),
)
WANTED: Tree = _tree(
    (0x00080008, "ImageType", "CS"),
    (0x00080016, "SOPClassUID", "UI"),
    (0x00080018, "SOPInstanceUID", "UI"),
    (0x00080020, "StudyDate", "DA"),
    (0x00080021, "SeriesDate", "DA"),
    (0x00080022, "AcquisitionDate", "DA"),
    (0x00080023, "ContentDate", "DA"),
    (0x0008002A, "AcquisitionDateTime", "DT"),
    (0x00080030, "StudyTime", "TM"),
    (0x00080031, "SeriesTime", "TM"),
    (0x00080032, "AcquisitionTime", "TM"),
    (0x00080033, "ContentTime", "TM"),
    (0x00080060, "Modality", "CS"),
    (0x00080068, "PresentationIntentType", "CS"),
    (0x00080201, "TimezoneOffsetFromUTC", "SH"),
    (0x00100020, "PatientID", "LO"),
    (0x00101030, "PatientWeight", "DS"),
    (0x00180015, "BodyPartExamined", "CS"),
    (0x00180040, "CineRate", "IS"),
    (0x00180086, "EchoNumbers", "IS"),
    (0x00181063, "FrameTime", "DS"),
    (0x00181065, "FrameTimeVector", "DS"),
    (0x00181164, "ImagerPixelSpacing", "DS"),
    (0x00185101, "ViewPosition", "CS"),
    (0x00186011, "SequenceOfUltrasoundRegions", _REGION),
    (0x00189087, "DiffusionBValue", "FD"),
    (0x0020000E, "SeriesInstanceUID", "UI"),
    (0x00200012, "AcquisitionNumber", "IS"),
    (0x00200032, "ImagePositionPatient", "DS"),
    (0x00200037, "ImageOrientationPatient", "DS"),
    (0x00200052, "FrameOfReferenceUID", "UI"),
    (0x00200062, "ImageLaterality", "CS"),
    (0x00200100, "TemporalPositionIdentifier", "IS"),
    (0x00280002, "SamplesPerPixel", "US"),
    (0x00280004, "PhotometricInterpretation", "CS"),
    (0x00280008, "NumberOfFrames", "IS"),
    (0x00280010, "Rows", "US"),
    (0x00280011, "Columns", "US"),
    (0x00280030, "PixelSpacing", "DS"),
    (0x00280051, "CorrectedImage", "CS"),
    (0x00280301, "BurnedInAnnotation", "CS"),
    (0x00281052, "RescaleIntercept", "DS"),
    (0x00281053, "RescaleSlope", "DS"),
    (0x00540016, "RadiopharmaceuticalInformationSequence", _DOSE),
    (0x00541001, "Units", "CS"),
    (0x00541006, "SUVType", "CS"),
    (0x00541102, "DecayCorrection", "CS"),
    (0x52009229, "SharedFunctionalGroupsSequence", _FRAME),
    (0x52009230, "PerFrameFunctionalGroupsSequence", _FRAME),
)
"""What a header is read for. Every tag is public; private elements are never looked into."""
_REFERENCED: Tree = _tree((0x00081155, "ReferencedSOPInstanceUID", "UI"))
_SEGMENT_FRAME: Tree = _tree(
    (0x00089124, "DerivationImageSequence", _tree((0x00082112, "SourceImageSequence", _REFERENCED))),
    (0x00209113, "PlanePositionSequence", _tree((0x00200032, "ImagePositionPatient", "DS"))),
    (0x00209116, "PlaneOrientationSequence", _tree((0x00200037, "ImageOrientationPatient", "DS"))),
    (0x00289110, "PixelMeasuresSequence", _tree((0x00280030, "PixelSpacing", "DS"))),
    (0x0062000A, "SegmentIdentificationSequence", _tree((0x0062000B, "ReferencedSegmentNumber", "US"))),
)
SEGMENTATION: Tree = _tree(
    (0x00080016, "SOPClassUID", "UI"),
    (0x00080018, "SOPInstanceUID", "UI"),
    (0x00080023, "ContentDate", "DA"),
    (0x00080033, "ContentTime", "TM"),
    (0x00080201, "TimezoneOffsetFromUTC", "SH"),
    (0x00081115, "ReferencedSeriesSequence", _tree((0x0008114A, "ReferencedInstanceSequence", _REFERENCED))),
    (0x00100020, "PatientID", "LO"),
    (0x00200052, "FrameOfReferenceUID", "UI"),
    (0x00280008, "NumberOfFrames", "IS"),
    (0x00280010, "Rows", "US"),
    (0x00280011, "Columns", "US"),
    (0x00620001, "SegmentationType", "CS"),
    (
        0x00620002,
        "SegmentSequence",
        _tree(
            (0x00620004, "SegmentNumber", "US"),
            (0x00620005, "SegmentLabel", "LO"),
            (
                0x0062000F,
                "SegmentedPropertyTypeCodeSequence",
                _tree((0x00080100, "CodeValue", "SH"), (0x00080102, "CodingSchemeDesignator", "SH")),
            ),
        ),
    ),
    (0x0062000E, "MaximumFractionalValue", "US"),
    (0x52009229, "SharedFunctionalGroupsSequence", _SEGMENT_FRAME),
    (0x52009230, "PerFrameFunctionalGroupsSequence", _SEGMENT_FRAME),
)
"""What the header of a segmentation is read for (PS3.3, A.51)."""
