using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FineMixing.Cli;

/// <summary>Results for machines: JSON in camel case, complete or not there at all.</summary>
internal static class JsonFile
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DictionaryKeyPolicy = null,
        WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.Default,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>Writes the result where a file was asked for.</summary>
    public static void Write(string? path, object result)
    {
        if (path is null)
            return;
        var full = Path.GetFullPath(path);
        var temporary = full + ".tmp";
        try
        {
            File.WriteAllText(temporary, JsonSerializer.Serialize(result, Options) + "\n");
            File.Move(temporary, full, overwrite: true);
        }
        catch (DirectoryNotFoundException)
        {
            throw new DirectoryNotFoundException($"The folder of the JSON file '{path}' does not exist.");
        }
        finally
        {
            if (File.Exists(temporary))
                File.Delete(temporary);
        }
    }
}
