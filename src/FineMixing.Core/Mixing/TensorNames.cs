using System.Globalization;
using System.Text.RegularExpressions;

namespace FineMixing.Mixing;

/// <summary>What a tensor is for, as far as its name tells.</summary>
public enum TensorRole
{
    /// <summary>A weight matrix or anything else.</summary>
    Weight,

    /// <summary>A bias outside normalisation layers.</summary>
    Bias,

    /// <summary>Scale or shift of a normalisation layer.</summary>
    LayerNorm,

    /// <summary>An embedding matrix (words, positions, token types).</summary>
    Embedding,

    /// <summary>The classification or language-model head.</summary>
    Head,
}

/// <summary>Reads roles and layers from the tensor names of BERT, RoBERTa, DistilBERT, ELECTRA, DeBERTa, GPT-2, Llama and their relatives.</summary>
public static partial class TensorNames
{
    /// <summary>The role of a tensor.</summary>
    public static TensorRole RoleOf(string name)
    {
        if (HeadPattern().IsMatch(name))
            return TensorRole.Head;
        if (NormPattern().IsMatch(name))
            return TensorRole.LayerNorm;
        if (EmbeddingPattern().IsMatch(name))
            return TensorRole.Embedding;
        return name.EndsWith("bias", StringComparison.Ordinal) ? TensorRole.Bias : TensorRole.Weight;
    }

    /// <summary>The index of the encoder layer a tensor belongs to, from 0 (next to the embeddings); null for tensors outside layers.</summary>
    public static int? LayerOf(string name)
    {
        var match = LayerPattern().Match(name);
        return match.Success && int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var layer) ? layer : null;
    }

    /// <summary>The number of encoder layers: one more than the largest index; 0 when no name has one.</summary>
    public static int CountLayers(IEnumerable<string> names) => names.Select(n => LayerOf(n) + 1 ?? 0).DefaultIfEmpty(0).Max();

    /// <summary>True for BERT's pooler, which sits on top of the last layer.</summary>
    public static bool IsPooler(string name) => name.StartsWith("pooler.", StringComparison.Ordinal) || name.Contains(".pooler.", StringComparison.Ordinal);

    /// <summary>The module a tensor belongs to: its name without the last part.</summary>
    public static string ModuleOf(string name) => name.LastIndexOf('.') is > 0 and var dot ? name[..dot] : name;

    [GeneratedRegex(@"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.", RegexOptions.CultureInvariant)]
    private static partial Regex LayerPattern();

    [GeneratedRegex(@"^(?:classifier|pre_classifier|score|lm_head|cls|qa_outputs|head|classification_head|discriminator_predictions|generator_predictions|vocab_)(?:\.|$|[a-z_]*\.)", RegexOptions.CultureInvariant)]
    private static partial Regex HeadPattern();

    [GeneratedRegex(@"layer_?norm|rms_?norm|(?:^|[._])norm\d*\.|(?:^|[._])ln_?(?:\d|f)?\.", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex NormPattern();

    [GeneratedRegex(@"embeddings?\.|embed_tokens|embed_positions|(?:^|\.)wte\.|(?:^|\.)wpe\.|rel_embeddings", RegexOptions.CultureInvariant)]
    private static partial Regex EmbeddingPattern();
}
