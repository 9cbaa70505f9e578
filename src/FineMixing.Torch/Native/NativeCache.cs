using System.Security.Cryptography;

namespace FineMixing.Torch.Native;

/// <summary>A per-user folder for libraries that had to be adapted, named by their content.</summary>
internal static class NativeCache
{
    /// <summary>Stores the bytes, unless the same are there already, and returns the path. Safe with many processes at once.</summary>
    public static string Store(byte[] content, string fileName)
    {
        var name = Convert.ToHexStringLower(SHA256.HashData(content));
        var problems = new List<string>();
        foreach (var root in Roots())
        {
            try
            {
                var folder = Directory.CreateDirectory(Path.Combine(root, "finemixing", "native", name)).FullName;
                var path = Path.Combine(folder, fileName);
                if (File.Exists(path) && File.ReadAllBytes(path).AsSpan().SequenceEqual(content))
                    return path;
                var temporary = $"{path}.{Environment.ProcessId}.{Guid.NewGuid():N}";
                try
                {
                    File.WriteAllBytes(temporary, content);
                    File.Move(temporary, path, overwrite: true);
                }
                finally
                {
                    File.Delete(temporary);
                }

                return path;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problems.Add($"'{root}': {e.Message}");
            }
        }

        throw new TorchRuntimeException($"An adapted copy of {fileName} must be stored, but no cache folder is writable ({string.Join("; ", problems)}). Set XDG_CACHE_HOME to a writable folder.");
    }

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache)
            yield return cache;
        if (Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home)
            yield return Path.Combine(home, ".cache");

        // The folder carries the user's name and is created readable by the owner only, so that nobody else can put a library there.
        var shared = Path.Combine(Path.GetTempPath(), $"finemixing-{Environment.UserName}");
        if (!OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(shared, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            if (File.GetUnixFileMode(shared) != (UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute))
                yield break;
        }

        yield return shared;
    }
}
