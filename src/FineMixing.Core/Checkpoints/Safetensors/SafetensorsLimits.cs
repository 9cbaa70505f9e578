namespace FineMixing.Checkpoints.Safetensors;

/// <summary>What a safetensors file may ask of its reader; anything beyond is refused before memory is spent on it.</summary>
public static class SafetensorsLimits
{
    /// <summary>The longest header in bytes (the reference reader's limit).</summary>
    public const long HeaderBytes = 100_000_000;

    /// <summary>The largest number in a shape or an offset: 2^48 - 1.</summary>
    public const long Number = (1L << 48) - 1;

    /// <summary>The longest tensor name or metadata key, in bytes as written in the header.</summary>
    public const int NameBytes = 4096;

    /// <summary>The most dimensions of a tensor.</summary>
    public const int Rank = 64;

    /// <summary>The most tensors of a checkpoint.</summary>
    public const int Tensors = 500_000;

    /// <summary>The longest <c>__metadata__</c>, in bytes as written in the header.</summary>
    public const int MetadataBytes = 16 << 20;

    /// <summary>The most shards of a checkpoint.</summary>
    public const int Shards = 1000;
}
