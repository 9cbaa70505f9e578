using System.Collections.Immutable;
using System.Globalization;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using FineMixing.Checkpoints;

namespace FineMixing.Provenance;

/// <summary>A file, by its bare name, and the SHA-256 of its content.</summary>
/// <param name="Name">The file name without folder.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="Sha256">Lower-case hexadecimal.</param>
public sealed record HashedFile(string Name, long Length, string Sha256)
{
    /// <summary>Hashes a file.</summary>
    public static HashedFile Of(string path, CancellationToken cancellationToken = default) =>
        new(Path.GetFileName(path), new FileInfo(path).Length, FileHasher.Sha256(path, cancellationToken));
}

/// <summary>A checkpoint that went into the output.</summary>
/// <param name="Role">What it was used as: <c>suspect</c>, <c>base</c>, <c>adapter</c>, <c>model</c>.</param>
/// <param name="Files">The files that were read.</param>
public sealed record ProvenanceInput(string Role, ImmutableArray<HashedFile> Files)
{
    /// <summary>Hashes the files of a checkpoint.</summary>
    public static ProvenanceInput Of(string role, ICheckpoint checkpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return new ProvenanceInput(role, [.. checkpoint.Files.Select(f => HashedFile.Of(f, cancellationToken))]);
    }
}

/// <summary>What was done to one tensor.</summary>
/// <param name="Name">The tensor's name in the output.</param>
/// <param name="Treatment">How it was made: a mixer's name, <c>suspect</c> (kept) or <c>base</c> (reset).</param>
/// <param name="Elements">How many elements it has.</param>
/// <param name="FromSuspect">How many elements were kept from the suspect; null where the treatment does not choose element by element.</param>
/// <param name="ReserveRatio">The reserve ratio that was asked for; null where there is none.</param>
public sealed record TensorProvenance(string Name, string Treatment, long Elements, long? FromSuspect = null, double? ReserveRatio = null);

/// <summary>How a checkpoint was made, so that anyone can check it or make the same bytes again; stored beside it as <c>finemixing.json</c>.</summary>
/// <remarks>It has no time stamp and no path: the same work gives the same manifest on any machine.</remarks>
public sealed record ProvenanceManifest
{
    /// <summary>The name of the manifest in a model folder.</summary>
    public const string FileName = "finemixing.json";

    private const int CurrentFormat = 1;
    private const long MaxBytes = 256L << 20;

    /// <summary>The version of the manifest's format.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>The version of the library that made the output.</summary>
    public string LibraryVersion { get; init; } = CurrentLibraryVersion;

    /// <summary>The name of the method, for example <c>fine-mixing</c>.</summary>
    public required string Method { get; init; }

    /// <summary>The method's options as text (invariant culture), in the order of their names.</summary>
    public ImmutableSortedDictionary<string, string> Options { get; init; } = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>The seed of everything random; null if nothing was.</summary>
    public ulong? Seed { get; init; }

    /// <summary>The checkpoints that were read.</summary>
    public ImmutableArray<ProvenanceInput> Inputs { get; init; } = [];

    /// <summary>What was done to each tensor.</summary>
    public ImmutableArray<TensorProvenance> Tensors { get; init; } = [];

    /// <summary>The files that were written, the manifest itself excepted.</summary>
    public ImmutableArray<HashedFile> Outputs { get; init; } = [];

    /// <summary>The names of output files that only one of two manifests lists, or whose lengths or hashes differ.</summary>
    public IReadOnlyList<string> OutputsThatDiffer(ProvenanceManifest other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return [.. Outputs.Except(other.Outputs).Concat(other.Outputs.Except(Outputs)).Select(f => f.Name).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>The version of this library.</summary>
    public static string CurrentLibraryVersion { get; } =
        (typeof(ProvenanceManifest).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown").Split('+')[0];

    /// <summary>Reads the manifest of a model folder, or a manifest file.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="CheckpointFormatException">It is not a manifest.</exception>
    public static ProvenanceManifest Read(string folderOrFile)
    {
        ArgumentException.ThrowIfNullOrEmpty(folderOrFile);
        var path = Directory.Exists(folderOrFile) ? Path.Combine(folderOrFile, FileName) : folderOrFile;
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no manifest at '{path}': nothing says how this checkpoint was made.", path);
        if (CheckpointFile.IsEmpty(path))
            throw new CheckpointFormatException("the manifest is empty or not a regular file", path);
        using var stream = File.OpenRead(path);
        if (stream.Length > MaxBytes)
            throw new CheckpointFormatException($"the manifest has {stream.Length} bytes; at most {MaxBytes} are accepted", path);
        try
        {
            var manifest = JsonSerializer.Deserialize<ProvenanceManifest>(stream, Json.Options) ?? throw new CheckpointFormatException("the manifest is null", path);
            return manifest.Checked(path);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NotSupportedException or ArgumentException)
        {
            throw new CheckpointFormatException($"not a manifest: {e.Message}", path, innerException: e);
        }
    }

    /// <summary>The manifest's bytes: equal manifests give equal bytes.</summary>
    public byte[] ToBytes() => [.. JsonSerializer.SerializeToUtf8Bytes(this, Json.Options), (byte)'\n'];

    /// <summary>A short form for the <c>__metadata__</c> of the output files: version, method, seed, options.</summary>
    public IReadOnlyDictionary<string, string> ToMetadata()
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["finemixing.version"] = LibraryVersion,
            ["finemixing.method"] = Method,
        };
        if (Seed is { } seed)
            metadata["finemixing.seed"] = seed.ToString(CultureInfo.InvariantCulture);
        if (Options.Count > 0)
            metadata["finemixing.options"] = string.Join("; ", Options.Select(o => $"{o.Key}={o.Value}"));
        return metadata;
    }

    /// <inheritdoc/>
    public bool Equals(ProvenanceManifest? other) => other is not null && ToBytes().AsSpan().SequenceEqual(other.ToBytes());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Method, Seed, LibraryVersion, Outputs.Length);

    private ProvenanceManifest Checked(string path)
    {
        if (Format != CurrentFormat)
            throw new CheckpointFormatException($"the manifest has format {Format}; this library reads {CurrentFormat}", path);
        if (Inputs.IsDefault || Tensors.IsDefault || Outputs.IsDefault || Inputs.Any(i => i is null || i.Files.IsDefault) || Tensors.Any(t => t is null) || Options.Any(o => o.Value is null))
            throw new CheckpointFormatException("a list, an entry or an option of the manifest is null", path);
        foreach (var file in Outputs.Concat(Inputs.SelectMany(i => i.Files)))
        {
            if (file is null || file.Name.Length == 0 || file.Name is "." or ".." || file.Name.AsSpan().IndexOfAny("/\\:\0") >= 0)
                throw new CheckpointFormatException($"the manifest names the file '{file?.Name}'; a bare file name is expected", path);
        }

        return this with { Options = Options.WithComparers(StringComparer.Ordinal) };
    }

    // A class of its own: mixing without a manifest describes itself too, and need not wait for a serializer.
    private static class Json
    {
        public static JsonSerializerOptions Options { get; } = new()
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
            AllowDuplicateProperties = false,
            RespectNullableAnnotations = true,
            WriteIndented = true,
            NewLine = "\n",
            MaxDepth = 8,
        };
    }
}
