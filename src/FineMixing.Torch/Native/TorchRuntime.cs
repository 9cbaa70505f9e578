using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace FineMixing.Torch.Native;

/// <summary>Makes TorchSharp's native library load, also on systems whose C++ runtime is older than the one it was built with.</summary>
/// <remarks>
/// <para>Debian 12, Ubuntu 22.04 and RHEL 9 ship a libstdc++ without GLIBCXX_3.4.32, so <c>libLibTorchSharp.so</c> 0.107.0 is refused by
/// the loader there although it needs nothing that is missing. <see cref="Register"/> installs a resolver that is asked only when the
/// ordinary load has failed; it then loads a copy whose version requirement is weak, kept in a per-user cache.</para>
/// <para>Every entry point of FineMixing.Torch calls <see cref="EnsureLoaded"/>. The package also adds a module initializer that calls
/// <see cref="Register"/> to the referencing application, so that the first call may as well be one to TorchSharp itself.</para>
/// <para>On Linux the environment variable <c>FINEMIXING_LIBTORCH</c> names a folder whose libtorch is used instead of a package's, for example
/// <c>torch/lib</c> of a Python installation of PyTorch with CUDA. It must offer every function that TorchSharp's library calls.</para>
/// </remarks>
public static class TorchRuntime
{
    private const string LibraryName = "LibTorchSharp";
    private const string LibraryFile = "libLibTorchSharp.so";
    private const string CppRuntime = "libstdc++.so.6";
    private const string FolderVariable = "FINEMIXING_LIBTORCH";
    private static readonly Lock Gate = new();
    private static nint _handle;
    private static TorchRuntimeException? _failure;
    private static bool _registered;
    private static bool _loaded;

    /// <summary>Installs the resolver. Cheap, loads nothing, may be called any number of times from any thread.</summary>
    public static void Register()
    {
        lock (Gate)
        {
            if (_registered)
                return;
            _registered = true;
            if (OperatingSystem.IsLinux())
                AssemblyLoadContext.Default.ResolvingUnmanagedDll += Resolve;
        }
    }

    /// <summary>Loads libtorch and TorchSharp's library now.</summary>
    /// <exception cref="TorchRuntimeException">They cannot be loaded; the message says which library is missing or wants what, and what to do.</exception>
    public static void EnsureLoaded()
    {
        if (Volatile.Read(ref _loaded))
            return;
        Register();
        lock (Gate)
        {
            if (_loaded)
                return;
            if (_failure is not null)
                throw _failure;
            var directories = SearchDirectories();
            if (!UseGivenFolder(directories) && !directories.Any(HasBackend))
                throw _failure = new TorchRuntimeException($"libtorch is not beside this application (looked in {string.Join(", ", directories.Select(d => $"'{d}'"))}). {BackendAdvice()}");
            MallocTuning.Apply();
            if (OperatingSystem.IsLinux() && !NativeLibrary.TryLoad(LibraryName, typeof(TorchSharp.torch).Assembly, null, out _))
                throw _failure ??= new TorchRuntimeException($"{LibraryFile} could not be loaded. {BackendAdvice()}");
            TorchSharp.torch.InitializeDeviceType(TorchSharp.DeviceType.CPU);
            Volatile.Write(ref _loaded, true);
        }
    }

#pragma warning disable CA2255 // A library that must act before the first TorchSharp call has no other place to do it.
    [ModuleInitializer]
    internal static void Initialize() => Register();
#pragma warning restore CA2255

    // The libraries of the folder that the variable names come first; those that are asked for later by name are then found loaded.
    private static bool UseGivenFolder(List<string> directories)
    {
        if (!OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable(FolderVariable) is not { Length: > 0 } given)
            return false;
        if (LibTorchFolder.Loaded is not null)
            return true;
        var folder = Path.GetFullPath(given);
        try
        {
            if (!HasBackend(folder))
                throw new TorchRuntimeException($"{FolderVariable} is '{folder}', where there is no libtorch_cpu.so. Name the folder of libtorch's libraries, for example torch/lib of a Python installation of PyTorch.");
            if (directories.FirstOrDefault(HasBackend) is { } own)
                throw new TorchRuntimeException($"{FolderVariable} is '{folder}', but this application has a libtorch of its own in '{own}'. Publish it without one (the projects of this repository: -p:LibTorch=none), or unset {FolderVariable}.");
            LibTorchFolder.Load(folder, directories.Select(d => Path.Combine(d, LibraryFile)).FirstOrDefault(File.Exists));
            return true;
        }
        catch (TorchRuntimeException e)
        {
            throw _failure = e;
        }
    }

    private static nint Resolve(Assembly assembly, string name)
    {
        if (name is not (LibraryName or LibraryFile) || assembly != typeof(TorchSharp.torch).Assembly)
            return 0;
        lock (Gate)
        {
            if (_handle != 0)
                return _handle;
            try
            {
                return _handle = LoadRelaxedCopy();
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                _failure = e as TorchRuntimeException ?? new TorchRuntimeException($"{LibraryFile} could not be loaded: {e.Message}", e);

                // TorchSharp would now copy 490 MB of libraries out of the package cache and fail to load those too.
                // It looks for that cache through this variable; the failure below is what the user needs to see.
                Environment.SetEnvironmentVariable("NUGET_PACKAGES", Path.Combine(AppContext.BaseDirectory, "no-package-cache"));
                throw _failure;
            }
        }
    }

    private static nint LoadRelaxedCopy()
    {
        var directories = SearchDirectories();
        var original = directories.Select(d => Path.Combine(d, LibraryFile)).FirstOrDefault(File.Exists)
            ?? throw new TorchRuntimeException($"{LibraryFile} is not beside this application (looked in {string.Join(", ", directories.Select(d => $"'{d}'"))}). Reference the TorchSharp package from the application.");
        UseGivenFolder(directories);
        var backend = LibTorchFolder.Loaded ?? directories.FirstOrDefault(HasBackend)
            ?? throw new TorchRuntimeException($"libtorch_cpu.so is not beside this application (looked in {string.Join(", ", directories.Select(d => $"'{d}'"))}). {BackendAdvice()}");
        foreach (var file in (string[])["libc10.so", "libtorch_cpu.so", "libtorch.so"])
        {
            if (!NativeLibrary.TryLoad(Path.Combine(backend, file), out _))
                throw new TorchRuntimeException($"'{Path.Combine(backend, file)}' could not be loaded. {BackendAdvice()}");
        }

        var elf = File.ReadAllBytes(original);
        var runtime = LoadedLibraryPath(CppRuntime) ?? throw new TorchRuntimeException($"{CppRuntime} is not installed. Install the system's C++ runtime (libstdc++6 on Debian and Ubuntu, libstdc++ on RHEL).");
        var available = ElfVersionPatch.DefinedVersions(File.ReadAllBytes(runtime));
        var missing = ElfVersionPatch.RequiredVersions(elf, CppRuntime).Where(v => !available.Contains(v)).ToList();
        if (missing.Count == 0 && NativeLibrary.TryLoad(original, out var handle))
            return handle;
        if (missing.Count == 0)
            throw new TorchRuntimeException($"'{original}' could not be loaded although '{runtime}' offers every version it asks for. Run 'ldd {original}' to see which library is missing.");
        byte[] patched;
        try
        {
            patched = ElfVersionPatch.Relax(elf, CppRuntime, available);
        }
        catch (NotSupportedException e)
        {
            throw new TorchRuntimeException($"'{original}' wants {string.Join(", ", missing)} of {CppRuntime}, and '{runtime}' is older ({e.Message}). Install a newer C++ runtime (GCC 13 or later), or use a newer distribution.", e);
        }

        return NativeLibrary.Load(NativeCache.Store(patched, LibraryFile));
    }

    private static bool HasBackend(string directory) =>
        File.Exists(Path.Combine(directory, OperatingSystem.IsWindows() ? "torch_cpu.dll" : OperatingSystem.IsMacOS() ? "libtorch_cpu.dylib" : "libtorch_cpu.so"));

    private static string BackendAdvice() =>
        "Reference a libtorch package from the application: TorchSharp-cpu, TorchSharp-cuda-linux or TorchSharp-cuda-windows, or the one of this platform alone (libtorch-cpu-linux-x64 2.10.0, libtorch-cpu-win-x64 2.10.0, libtorch-cpu-osx-arm64 2.10.0). On Linux the environment variable FINEMIXING_LIBTORCH may name a folder with a libtorch instead.";

    private static List<string> SearchDirectories()
    {
        // For tests: folders to look in instead.
        if (AppContext.GetData("FineMixing.LibTorchFolders") is string folders)
            return [.. folders.Split(Path.PathSeparator)];
        var given = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var assembly = Path.GetDirectoryName(typeof(TorchSharp.torch).Assembly.Location);
        string[] roots = assembly is { Length: > 0 } ? [AppContext.BaseDirectory, assembly] : [AppContext.BaseDirectory];
        return [.. given.Concat(roots.SelectMany(r => new[] { r, Path.Combine(r, "runtimes", RuntimeInformation.RuntimeIdentifier, "native"), Path.Combine(r, "runtimes", "linux-x64", "native") }))
            .Select(d => Path.TrimEndingDirectorySeparator(Path.GetFullPath(d))).Distinct().Where(Directory.Exists)];
    }

    private static string? LoadedLibraryPath(string name)
    {
        foreach (var line in File.ReadLines("/proc/self/maps"))
        {
            var at = line.IndexOf('/', StringComparison.Ordinal);
            if (at >= 0 && Path.GetFileName(line[at..]).StartsWith(name, StringComparison.Ordinal))
                return line[at..];
        }

        return null;
    }
}
