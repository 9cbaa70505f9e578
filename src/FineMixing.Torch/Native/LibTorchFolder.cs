using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace FineMixing.Torch.Native;

/// <summary>Loads the libtorch of a given folder instead of a package's.</summary>
internal static partial class LibTorchFolder
{
    /// <summary>The folder that was loaded from; null when none was.</summary>
    public static string? Loaded { get; private set; }

    /// <summary>Loads what TorchSharp's library needs, and checks that every function it calls is there.</summary>
    /// <param name="folder">Where <c>libtorch_cpu.so</c> is.</param>
    /// <param name="torchSharp">TorchSharp's native library; null checks nothing.</param>
    /// <exception cref="TorchRuntimeException">A library does not load, or is of another version than TorchSharp was built for.</exception>
    public static void Load(string folder, string? torchSharp)
    {
        // libtorch.so asks for the CUDA libraries where the folder has them.
        var handles = new List<nint>();
        foreach (var file in (string[])["libc10.so", "libtorch_cpu.so", "libtorch.so"])
        {
            var path = Path.Combine(folder, file);
            try
            {
                handles.Add(NativeLibrary.Load(path));
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                throw new TorchRuntimeException($"'{path}' could not be loaded: {e.Message}", e);
            }
        }

        var missing = torchSharp is null ? [] : ElfVersionPatch.UndefinedSymbols(File.ReadAllBytes(torchSharp)).Where(s => OfLibTorch().IsMatch(s)).Where(s => !handles.Exists(h => NativeLibrary.TryGetExport(h, s, out _))).ToList();
        if (missing.Count > 0)
            throw new TorchRuntimeException($"The libtorch in '{folder}' lacks {missing.Count} of the functions that '{torchSharp}' calls, for example {missing[0]}: it is of another version. TorchSharp 0.107.0 was built for libtorch 2.10.0.");
        Loaded = folder;
    }

    // Functions, tables and type descriptions of libtorch's namespaces.
    [GeneratedRegex("^_Z(T[VIS])?NK?(2at|3c10|5torch|6caffe2)")]
    private static partial Regex OfLibTorch();
}
