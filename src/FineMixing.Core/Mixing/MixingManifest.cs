using System.Collections.Immutable;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Provenance;

namespace FineMixing.Mixing;

/// <summary>Mixing as a manifest records it, and back.</summary>
internal static class MixingManifest
{
    /// <summary>What is known before mixing: method, options, seed.</summary>
    public static ProvenanceManifest Describe(MixPlan plan, FileMixingOptions fileOptions)
    {
        var o = plan.Options;
        var text = new Dictionary<string, string>(plan.Mixer.Parameters.ToText(), StringComparer.Ordinal)
        {
            ["reserveRatio"] = o.ReserveRatio.ToString(CultureInfo.InvariantCulture),
            ["schedule"] = o.Schedule.ToString(),
            ["granularity"] = o.Granularity.ToString(),
            ["exactCount"] = o.ExactCount ? "true" : "false",
            ["layerNorms"] = o.LayerNorms.ToString(),
            ["biases"] = o.Biases.ToString(),
            ["embeddings"] = o.Embeddings.ToString(),
            ["head"] = o.Head.ToString(),
            ["maxShardBytes"] = fileOptions.MaxShardBytes.ToString(CultureInfo.InvariantCulture),
        };

        if (!o.CheckFinite)
            text["checkFinite"] = "false";

        // One by one: a whole dictionary would pass through a sorted one of pairs, whose code is not compiled ahead of time.
        var options = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in text)
            options.Add(key, value);
        return new ProvenanceManifest { Method = plan.Mixer.Name, Seed = o.Seed, Options = options.ToImmutable() };
    }

    /// <summary>Adds tensors and the hashes of all files.</summary>
    public static ProvenanceManifest Complete(ProvenanceManifest manifest, MixPlan plan, int otherCount, MixingHashes hashes, CancellationToken ct)
    {
        string[] roles = ["suspect", "base", .. Enumerable.Repeat("model", otherCount)];
        var tensors = new TensorProvenance[plan.Tensors.Count];
        WorkerThreads.Run(Enumerable.Range(0, tensors.Length), plan.Options.ThreadCount, i =>
        {
            // Counting makes the masks again.
            var t = plan.Tensors[i];
            tensors[i] = new TensorProvenance(t.Suspect.Name, Treatment(plan, t), t.Suspect.ElementCount, new TensorMixing(plan, t).CountKept(), t.Action == TensorAction.Mixed ? t.Ratio : null);
        }, ct);
        return manifest with
        {
            Inputs = [.. roles.Select((role, i) => new ProvenanceInput(role, hashes.Input(i)))],
            Outputs = hashes.Outputs(),
            Tensors = [.. tensors],
        };
    }

    /// <summary>The method, its options and the shard limit of a manifest.</summary>
    /// <exception cref="ArgumentException">The manifest does not describe mixing that can be repeated; lists all problems.</exception>
    public static (IWeightMixer Mixer, MixingOptions Options, long MaxShardBytes) Restore(ProvenanceManifest manifest)
    {
        var problems = new List<string>();
        var text = manifest.Options;
        var options = new MixingOptions
        {
            Seed = manifest.Seed ?? 0,
            ReserveRatio = double.TryParse(Text("reserveRatio"), NumberStyles.Float, CultureInfo.InvariantCulture, out var ratio) ? ratio : Bad("reserveRatio", double.NaN),
            Schedule = RatioSchedule.Parse(Text("schedule") ?? "uniform"),
            Granularity = Value<MixGranularity>("granularity"),
            ExactCount = bool.TryParse(Text("exactCount"), out var exact) ? exact : Bad("exactCount", false),
            LayerNorms = Value<TensorPolicy>("layerNorms"),
            Biases = Value<TensorPolicy>("biases"),
            Embeddings = Value<TensorPolicy>("embeddings"),
            Head = Value<HeadPolicy>("head"),
            CheckFinite = Text("checkFinite") is not { } check || (bool.TryParse(check, out var checks) ? checks : Bad("checkFinite", true)),
        };
        var shardBytes = long.TryParse(Text("maxShardBytes"), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : Bad("maxShardBytes", 1L);
        if (manifest.Seed is null)
            problems.Add("it has no seed");
        if (problems.Count > 0)
            throw new ArgumentException($"The manifest of '{manifest.Method}' does not describe mixing that can be repeated: {string.Join("; ", problems)}.", nameof(manifest));
        return (WeightMixers.Get(manifest.Method, MixerParameters.FromText(text)), options, shardBytes);

        string? Text(string name) => text.GetValueOrDefault(name);

        T Value<T>(string name)
            where T : struct, Enum => Enum.TryParse<T>(Text(name), out var value) && Enum.IsDefined(value) ? value : Bad(name, default(T));

        T Bad<T>(string name, T value)
        {
            problems.Add(Text(name) is { } found ? $"{name} is '{found}'" : $"{name} is missing");
            return value;
        }
    }

    /// <summary>Refuses inputs other than those of the manifest.</summary>
    /// <exception cref="ArgumentException">Lists all differences.</exception>
    public static void CheckInputs(ProvenanceManifest manifest, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, CancellationToken ct)
    {
        ICheckpoint[] models = [suspect, @base, .. others];
        if (models.Length != manifest.Inputs.Length)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The manifest has {manifest.Inputs.Length} inputs ({string.Join(", ", manifest.Inputs.Select(i => i.Role))}); {models.Length} were given."), nameof(others));
        var mismatches = models.Zip(manifest.Inputs).SelectMany(p => ManifestVerifier.VerifyInput(p.Second, p.First, ct)).ToList();
        if (mismatches.Count > 0)
            throw new ArgumentException($"These are not the inputs of the manifest: {string.Join(" ", mismatches)}", nameof(suspect));
    }

    private static string Treatment(MixPlan plan, TensorPlan tensor) => tensor.Action switch
    {
        TensorAction.Mixed => plan.Mixer.Name,
        TensorAction.Suspect => "suspect",
        TensorAction.Base => "base",
        _ => "reinitialised",
    };
}
