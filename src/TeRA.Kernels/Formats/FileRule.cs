namespace TeRA.Kernels;

/// <summary>
/// The stable names in <see cref="FileFormatException.Rule"/>: programs branch on them, people read the message.
/// A name never changes its meaning; new rules get new names.
/// </summary>
public static class FileRule
{
    /// <summary>The file has fewer than the 8 bytes of the header's length.</summary>
    public const string HeaderTooSmall = "header-too-small";

    /// <summary>The header claims more than 100,000,000 bytes.</summary>
    public const string HeaderTooLarge = "header-too-large";

    /// <summary>The header claims more bytes than the file has.</summary>
    public const string HeaderOutsideFile = "header-outside-file";

    /// <summary>The header's first byte is not <c>{</c>.</summary>
    public const string HeaderStart = "header-start";

    /// <summary>The text is not UTF-8.</summary>
    public const string Utf8 = "utf8";

    /// <summary>The text is not JSON.</summary>
    public const string JsonSyntax = "json-syntax";

    /// <summary>A JSON string holds half of a surrogate pair, which no text can.</summary>
    public const string JsonString = "json-string";

    /// <summary>Arrays and objects are nested deeper than any file of the format needs.</summary>
    public const string JsonDepth = "json-depth";

    /// <summary>More keys than any file of the format needs.</summary>
    public const string JsonKeys = "json-keys";

    /// <summary>The same key twice in one JSON object, at whatever depth. Readers that keep the first and readers that keep the last would disagree.</summary>
    public const string DuplicateKey = "duplicate-key";

    /// <summary><c>__metadata__</c> is not an object of strings.</summary>
    public const string Metadata = "metadata";

    /// <summary>A tensor's entry is not exactly {dtype, shape, data_offsets}.</summary>
    public const string TensorEntry = "tensor-entry";

    /// <summary>A dtype that the format doesn't have.</summary>
    public const string UnknownDType = "unknown-dtype";

    /// <summary>A shape is not a list of at most 64 integers from 0.</summary>
    public const string TensorShape = "tensor-shape";

    /// <summary>The offsets are not two integers from 0, the first at most the second.</summary>
    public const string DataOffsets = "data-offsets";

    /// <summary>A shape's product, or its number of bits, exceeds 2⁶³ − 1.</summary>
    public const string SizeOverflow = "size-overflow";

    /// <summary>A tensor with elements below a byte ends inside a byte.</summary>
    public const string PartialByte = "partial-byte";

    /// <summary>The offsets span another number of bytes than dtype and shape need.</summary>
    public const string SizeMismatch = "size-mismatch";

    /// <summary>Bytes between two tensors belong to none.</summary>
    public const string DataHole = "data-hole";

    /// <summary>Two tensors share bytes.</summary>
    public const string DataOverlap = "data-overlap";

    /// <summary>The tensors need more bytes than the file has.</summary>
    public const string DataOutsideFile = "data-outside-file";

    /// <summary>Bytes after the last tensor belong to none.</summary>
    public const string DataTrailing = "data-trailing";

    /// <summary>A tensor was wanted that the file lacks.</summary>
    public const string MissingTensor = "missing-tensor";

    /// <summary>A tensor is there that nothing of the adapter's configuration explains.</summary>
    public const string UnknownTensor = "unknown-tensor";

    /// <summary>A tensor has another shape than its use needs.</summary>
    public const string ShapeMismatch = "shape-mismatch";

    /// <summary>A tensor has a dtype that can't be used for this.</summary>
    public const string WrongDType = "wrong-dtype";

    /// <summary>A folder lacks one of its files, or stands where a file is wanted.</summary>
    public const string MissingFile = "missing-file";

    /// <summary>A configuration file is larger than any could need to be.</summary>
    public const string ConfigTooLarge = "config-too-large";

    /// <summary>A required key is absent.</summary>
    public const string MissingKey = "missing-key";

    /// <summary>A key's value is of the wrong kind or out of its range.</summary>
    public const string KeyValue = "key-value";

    /// <summary>The adapter is of another method than the reader's.</summary>
    public const string AdapterType = "adapter-type";

    /// <summary>The random factors are of a format that this version doesn't generate.</summary>
    public const string FactorFormat = "factor-format";

    /// <summary>The product of the modes is not the number of features.</summary>
    public const string ModesProduct = "modes-product";

    /// <summary>A module is listed twice.</summary>
    public const string DuplicateModule = "duplicate-module";

    /// <summary>The base model lacks a module that the adapter changes.</summary>
    public const string MissingModule = "missing-module";

    /// <summary>The adapter's table of shapes has no entry for a module's size.</summary>
    public const string MissingShape = "missing-shape";

    /// <summary>A pattern of target_modules that no module answers to.</summary>
    public const string UnmatchedTarget = "unmatched-target";

    /// <summary>The adapter uses something that changes its formula and isn't computed here.</summary>
    public const string Unsupported = "unsupported-feature";

    /// <summary>The frozen bases should be in the file and are not.</summary>
    public const string MissingBases = "missing-bases";

    /// <summary>Copies of one tensor differ.</summary>
    public const string DifferentCopies = "different-copies";

    /// <summary>A checkpoint's index names a tensor or a file that isn't there, or leaves one out.</summary>
    public const string CheckpointIndex = "checkpoint-index";

    /// <summary>The checkpoint already holds this adapter.</summary>
    public const string AlreadyMerged = "already-merged";

    /// <summary>The checkpoint doesn't hold the adapter that is to be taken out, or a later one lies over it.</summary>
    public const string NotMerged = "not-merged";

    /// <summary>A backup's bytes or its list of tensors are not what the merge kept.</summary>
    public const string BackupDamaged = "backup-damaged";

    /// <summary>A backup has no hashes to check it by.</summary>
    public const string BackupUnchecked = "backup-unchecked";

    /// <summary>A merged tensor is not what the merge that kept the backup wrote.</summary>
    public const string WeightChanged = "weight-changed";
}
