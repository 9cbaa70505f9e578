using System.Runtime.InteropServices;

namespace FineMixing.Torch.Native;

/// <summary>Tells glibc to keep large freed blocks while work goes on: libtorch frees and allocates the same tens of megabytes in every training step.</summary>
/// <remarks>
/// Without it each step of a BERT-base size model takes thousands of page faults. Environment variables set from managed code would not reach the C library.
/// What is kept has to be given back when the work ends: blocks of one kind of work do not fit the next, and each thread has its own, so that memory would grow with every training and evaluation.
/// </remarks>
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

    /// <summary>Gives freed memory back to the system: at the end of a piece of work, whose blocks another one will not ask for.</summary>
    public static void Release()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            _ = MallocTrim(0);
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            // Another C library (musl).
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int MallocTrim(nuint pad);

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int MallOpt(int parameter, int value);
}
