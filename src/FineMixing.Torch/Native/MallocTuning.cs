using System.Runtime.InteropServices;

namespace FineMixing.Torch.Native;

/// <summary>Tells glibc to keep large freed blocks: libtorch frees and allocates the same tens of megabytes in every training step.</summary>
/// <remarks>Without it each step of a BERT-base size model takes thousands of page faults. Environment variables set from managed code would not reach the C library.</remarks>
internal static partial class MallocTuning
{
    private const int TrimThreshold = -1;
    private const int TopPad = -2;
    private const int MmapThreshold = -3;

    public static void Apply()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            _ = MallOpt(MmapThreshold, 1 << 30);
            _ = MallOpt(TrimThreshold, int.MaxValue);
            _ = MallOpt(TopPad, 64 << 20);
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            // Another C library (musl): nothing to tune.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int MallOpt(int parameter, int value);
}
