namespace FineMixing.Checkpoints.Pickle;

/// <summary>How much of anything a PyTorch file may ask for; far above what real checkpoints need, low enough that a hostile one costs little.</summary>
internal static class PickleLimits
{
    /// <summary>Bytes of the pickle itself (a 70-billion-parameter model's is 0.1 MB).</summary>
    public const int PickleBytes = 16 << 20;

    /// <summary>Operations the pickle may run (about 30 a tensor).</summary>
    public const int Opcodes = 2_000_000;

    /// <summary>Values on the stack at once.</summary>
    public const int Stack = 1_000_000;

    /// <summary>Open containers within one another.</summary>
    public const int Depth = 256;

    /// <summary>Values remembered for later use, and the highest number one may have.</summary>
    public const int Memo = 1_000_000;

    /// <summary>Bytes of one text.</summary>
    public const int TextBytes = 1 << 20;

    /// <summary>Bytes of one tensor name.</summary>
    public const int TensorNameBytes = 4096;

    /// <summary>Bytes of a module or class name.</summary>
    public const int GlobalNameBytes = 256;

    /// <summary>Characters of the name of a storage.</summary>
    public const int StorageKey = 256;

    /// <summary>Bytes of one integer.</summary>
    public const int IntegerBytes = 255;

    /// <summary>Tensors one pickle may build.</summary>
    public const int Tensors = 100_000;

    /// <summary>Dimensions of a tensor.</summary>
    public const int Rank = 16;

    /// <summary>The largest size, stride or offset: what fits 48 bits, so that products of two never overflow 128.</summary>
    public const long Number = (1L << 48) - 1;

    /// <summary>Bytes of a zip file's central directory.</summary>
    public const int ZipDirectoryBytes = 32 << 20;

    /// <summary>Bytes of a name in a zip file.</summary>
    public const int ZipNameBytes = 1024;

    /// <summary>Bytes of all tensors together, shared and expanded ones counted each time, for a file of that length.</summary>
    public static Int128 TensorBytes(long fileLength) => ((Int128)fileLength * 16) + (1 << 20);
}
