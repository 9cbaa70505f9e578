using FineMixing.Checkpoints.Pickle;

namespace FineMixing.Checkpoints.Adapters;

/// <summary>Where one tensor of the merged checkpoint comes from.</summary>
/// <param name="Origin">The tensor that is read.</param>
/// <param name="FromAdapter">True if it is the adapter's, false if the base's.</param>
/// <param name="Update">What is added, or null.</param>
internal sealed record LoraPart(TensorInfo Origin, bool FromAdapter, LowRankUpdate? Update);

/// <summary>Matches the tensors of an adapter with those of its base.</summary>
internal static class LoraPlan
{
    private const string Prefix = "base_model.model.";
    private const int Shown = 50;

    // peft saves these when the vocabulary was changed, whatever modules_to_save says.
    private static readonly string[] EmbeddingModules = ["embed_tokens", "lm_head"];

    /// <summary>The merged checkpoint's tensors, the base's first and in its order.</summary>
    /// <exception cref="IncompatibleCheckpointsException">Something does not fit; all is listed.</exception>
    public static List<(TensorInfo Info, LoraPart Part)> Create(ICheckpoint @base, ICheckpoint adapter, LoraConfig config, string folder)
    {
        var problems = new List<string>();
        var factors = new SortedDictionary<string, (TensorInfo? A, TensorInfo? B, bool Embedding)>(StringComparer.Ordinal);
        var saved = new List<(string Name, TensorInfo Tensor)>();
        foreach (var tensor in adapter.Tensors)
        {
            var name = tensor.Name.StartsWith(Prefix, StringComparison.Ordinal) ? tensor.Name[Prefix.Length..] : tensor.Name;
            if (TakeEnd(name, ".lora_A.weight", out var module) || TakeEnd(name, ".lora_embedding_A", out module))
                factors[module] = factors.GetValueOrDefault(module) with { A = tensor, Embedding = name.EndsWith("_A", StringComparison.Ordinal) };
            else if (TakeEnd(name, ".lora_B.weight", out module) || TakeEnd(name, ".lora_embedding_B", out module))
                factors[module] = factors.GetValueOrDefault(module) with { B = tensor, Embedding = name.EndsWith("_B", StringComparison.Ordinal) };
            else if (IsSavedWhole(name, config))
                saved.Add((name.Replace(".base_layer.", ".", StringComparison.Ordinal), tensor));
            else
                problems.Add($"{PickleText.Quote(tensor.Name)} {tensor.ShapeText} is neither a factor of LoRA nor one of 'modules_to_save' ({Join(config.ModulesToSave)}), and 'bias' is {config.Bias}.");
        }

        if (factors.Count == 0)
            problems.Add("The adapter has no pair of tensors '….lora_A.weight' and '….lora_B.weight'.");
        var replaced = new Dictionary<string, (TensorInfo Info, TensorInfo Tensor)>(StringComparer.Ordinal);
        foreach (var (name, tensor) in saved)
            Replace(@base, name, tensor, config, replaced, problems);
        var updates = new Dictionary<string, LowRankUpdate>(StringComparer.Ordinal);
        foreach (var (module, (a, b, embedding)) in factors)
            Update(@base, module, a, b, embedding, config, replaced, updates, problems);
        if (problems.Count > 0)
        {
            throw new IncompatibleCheckpointsException(
                $"The adapter '{folder}' does not fit the base '{@base.Location}':\n  {string.Join("\n  ", problems.Take(Shown))}{(problems.Count > Shown ? $"\n  … and {problems.Count - Shown} more" : "")}", problems);
        }

        return Order(@base, replaced, updates);
    }

    private static List<(TensorInfo Info, LoraPart Part)> Order(ICheckpoint @base, Dictionary<string, (TensorInfo Info, TensorInfo Tensor)> replaced, Dictionary<string, LowRankUpdate> updates)
    {
        var result = new List<(TensorInfo, LoraPart)>();
        foreach (var tensor in @base.Tensors)
        {
            var update = updates.GetValueOrDefault(tensor.Name);
            result.Add(replaced.Remove(tensor.Name, out var other)
                ? (other.Info, new LoraPart(other.Tensor, FromAdapter: true, update))
                : (tensor, new LoraPart(tensor, FromAdapter: false, update)));
        }

        foreach (var (name, other) in replaced.OrderBy(r => r.Key, StringComparer.Ordinal))
            result.Add((other.Info, new LoraPart(other.Tensor, FromAdapter: true, updates.GetValueOrDefault(name))));
        return result;
    }

    private static bool TakeEnd(string name, string end, out string module)
    {
        var found = name.EndsWith(end, StringComparison.Ordinal);
        module = found ? name[..^end.Length] : "";
        return found;
    }

    private static bool IsSavedWhole(string name, LoraConfig config) =>
        !name.Contains(".lora_", StringComparison.Ordinal)
        && (config.ModulesToSave.Any(m => $".{name}.".Contains($".{m}.", StringComparison.Ordinal))
            || (name.EndsWith(".bias", StringComparison.Ordinal) && config.Bias != LoraBias.None)
            || name.EndsWith(".base_layer.weight", StringComparison.Ordinal)
            || EmbeddingModules.Any(m => $".{name}".EndsWith($".{m}.weight", StringComparison.Ordinal)));

    private static void Replace(ICheckpoint @base, string name, TensorInfo tensor, LoraConfig config, Dictionary<string, (TensorInfo Info, TensorInfo Tensor)> replaced, List<string> problems)
    {
        var info = tensor.WithName(name);
        if (Find(@base, name) is { } old)
        {
            // The head may have another number of classes, the embedding another number of words; the type stays the base's.
            if (old.DType != tensor.DType && !(old.DType.IsMixable() && tensor.DType.IsMixable()))
                problems.Add($"{PickleText.Quote(name)} is {tensor.DType.SafetensorsName()} in the adapter and {old.DType.SafetensorsName()} in the base.");
            info = info.WithName(old.Name).WithDType(old.DType);
        }
        else if (!config.ModulesToSave.Any(m => $".{name}.".Contains($".{m}.", StringComparison.Ordinal)))
            problems.Add($"{PickleText.Quote(name)} {tensor.ShapeText} is missing in the base.");

        if (!replaced.TryAdd(info.Name, (info, tensor)))
            problems.Add($"{PickleText.Quote(name)} is twice in the adapter.");
    }

    private static void Update(
        ICheckpoint @base, string module, TensorInfo? a, TensorInfo? b, bool embedding, LoraConfig config,
        Dictionary<string, (TensorInfo Info, TensorInfo Tensor)> replaced, Dictionary<string, LowRankUpdate> updates, List<string> problems)
    {
        var quoted = PickleText.Quote(module);
        if (a is null || b is null)
        {
            problems.Add($"{quoted} has only one of its two factors ({(a ?? b)!.Name}).");
            return;
        }

        if (Find(@base, module + ".weight") is not { } weight)
        {
            problems.Add($"{PickleText.Quote(module + ".weight")}, which the adapter changes, is missing in the base.");
            return;
        }

        if (replaced.TryGetValue(weight.Name, out var other))
            weight = other.Info;
        if (!weight.DType.IsMixable() || !a.DType.IsMixable() || !b.DType.IsMixable())
        {
            problems.Add($"{quoted} is {weight.DType.SafetensorsName()} with factors in {a.DType.SafetensorsName()} and {b.DType.SafetensorsName()}; only F32, F16, BF16 and F64 can be merged. (A quantised base: take the one it was made from.)");
            return;
        }

        if (a.Shape.Length != 2 || b.Shape.Length != 2 || weight.Shape.Length != 2 || a.Shape[0] != b.Shape[1])
        {
            problems.Add($"{quoted} is {weight.ShapeText} with factors {a.ShapeText} and {b.ShapeText}; expected [out, in] with [r, in] and [out, r].");
            return;
        }

        if (Math.Max(a.ElementCount, b.ElementCount) > Array.MaxLength / sizeof(double))
        {
            problems.Add($"{quoted} has factors {a.ShapeText} and {b.ShapeText}, each of which is held in memory; they are too large for that.");
            return;
        }

        var (rows, columns) = (b.Shape[0], a.Shape[1]);
        var (straight, turned) = (weight.Shape[0] == rows && weight.Shape[1] == columns, weight.Shape[0] == columns && weight.Shape[1] == rows);
        if (!straight && !turned)
            problems.Add($"{quoted} is {weight.ShapeText} in the base; the factors {a.ShapeText} and {b.ShapeText} are for [{rows}, {columns}].");
        else if (a.Shape[0] != config.RankOf(module))
            problems.Add($"{quoted} has the rank {a.Shape[0]} in the adapter's weights and {config.RankOf(module)} by its configuration.");
        else if (!updates.TryAdd(weight.Name, new LowRankUpdate(weight.Name, a, b, config.ScalingOf(module), straight && turned ? config.FanInFanOut || embedding : turned)))
            problems.Add($"{PickleText.Quote(weight.Name)} is changed twice by the adapter.");
    }

    // The base may have been saved with or without the model's own prefix ("bert."), which an adapter's names always have.
    private static TensorInfo? Find(ICheckpoint @base, string name)
    {
        if (@base.TryGetTensor(name, out var exact))
            return exact;
        var dot = name.IndexOf('.');
        return dot > 0 && @base.TryGetTensor(name[(dot + 1)..], out var bare) ? bare : null;
    }

    private static string Join(IEnumerable<string> names) => string.Join(", ", names) is { Length: > 0 } text ? text : "none";
}
