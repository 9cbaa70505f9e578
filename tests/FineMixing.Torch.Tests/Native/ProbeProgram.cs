using System.Runtime.CompilerServices;
using FineMixing.Torch.Native;

namespace FineMixing.Torch.Tests.Native;

/// <summary>Turns this test program into a small application when FINEMIXING_PROBE is set: it loads libtorch in the order asked for, prints a sum and exits.</summary>
internal static class ProbeProgram
{
#pragma warning disable CA2255 // Must act before the test runner starts.
    [ModuleInitializer]
    internal static void Run()
#pragma warning restore CA2255
    {
        if (Environment.GetEnvironmentVariable("FINEMIXING_PROBE") is not { } mode)
            return;
        try
        {
            Console.WriteLine(mode == "torch-first" ? Sum() : AfterLibrary(mode));
            Environment.Exit(0);
        }
        catch (TorchRuntimeException e)
        {
            Console.WriteLine(e.Message);
            Environment.Exit(3);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static string AfterLibrary(string mode)
    {
        if (mode == "missing")
            AppContext.SetData("FineMixing.LibTorchFolders", Path.GetTempPath());
        TorchRuntime.EnsureLoaded();
        return Sum();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static string Sum()
    {
        using var x = TorchSharp.torch.tensor(new float[] { 1, 2, 3 });
        return x.sum().item<float>().ToString(System.Globalization.CultureInfo.InvariantCulture);
    }
}
